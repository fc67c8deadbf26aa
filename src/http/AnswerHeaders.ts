/** Browsers guess no media types, and tell no other site which page a link was on. */
const always = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer"
}

/** Answers of the API are data, with nothing to load or to run. */
const data = {
  ...always,
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  // Most of it is private.
  "cache-control": "no-store"
}

/** The documentation is a single page that includes its scripts and makes requests only to this server. */
const page = {
  ...always,
  "content-security-policy":
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cache-control": "no-cache"
}

const contract = { ...data, "cache-control": "no-cache" }

/** The security and caching headers of a route's answers, by its template; `undefined` stands for no route. */
export const headersOfRoute = (path: string | undefined): Readonly<Record<string, string>> =>
  path === "/docs" ? page : path === "/openapi.json" ? contract : data

/** A browser that has come by TLS does not come without it for a year. */
export const byTlsOnly = { "strict-transport-security": "max-age=31536000" }
