/** Nobody guesses types, shows us in a frame, or learns from which page a link was followed. */
const always = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer"
}

/** An answer of the API is data: there is nothing in it to load or to run. */
const data = {
  ...always,
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  // Most of it is somebody's own.
  "cache-control": "no-store"
}

/** The page of the documentation is one piece, with its script, and asks only this server. */
const page = {
  ...always,
  "content-security-policy":
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cache-control": "no-cache"
}

const contract = { ...data, "cache-control": "no-cache" }

/** What answers of a route have in their heads, by its template; `undefined` for what is no route. */
export const headersOfRoute = (path: string | undefined): Readonly<Record<string, string>> =>
  path === "/docs" ? page : path === "/openapi.json" ? contract : data

/** Where a client has come by TLS once, it does not come without: for a year. */
export const byTlsOnly = { "strict-transport-security": "max-age=31536000" }
