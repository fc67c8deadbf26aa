/** What a program that composes XFChat tests itself with: a private database, the server, and people who are signed in. */
export { TestDatabase } from "./TestDatabase.ts"
export { TestServices } from "./TestServices.ts"
export { TestServer } from "./TestServer.ts"
export { unusedServices } from "./unusedServices.ts"
export { clientOf, signedIn, testPassword, type TestUser } from "./TestUser.ts"
