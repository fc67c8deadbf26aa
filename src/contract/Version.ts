/** The version of XFChat, that of `package.json`: a browser can load this file. `npm version` writes it. */
export const version = "0.1.0"
