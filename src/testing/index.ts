/** Test tools for programs that compose XFChat: a database of its own, the server, and users who are signed in. */
export { TestDatabase } from "./TestDatabase.ts"
export { TestServices } from "./TestServices.ts"
export { TestServer } from "./TestServer.ts"
export { clientOf, signedIn, testPassword, type TestUser } from "./TestUser.ts"
