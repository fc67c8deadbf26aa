/** Whether this runs on Deno rather than Node. */
export const isDeno = "Deno" in globalThis
