/** Whether Deno runs this, and not Node. */
export const isDeno = "Deno" in globalThis
