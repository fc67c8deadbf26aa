/** The promises of the documents as tests over HTTP, for any server that claims the protocol. */
export { run, type Failure, type Options, type Outcome } from "./Run.ts"
export { Report } from "./Report.ts"
export type { Server } from "./Server.ts"
export type { Subject } from "./Subject.ts"
export { subjects } from "./Subjects.ts"
