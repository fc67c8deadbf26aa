import { Schema } from "effect"
import { described } from "./Description.ts"
import { Problem } from "./Problem.ts"

/** The conditions for serving well: each is `ok`, or says what is wrong. */
export const Checks = Schema.Struct({
  database: Schema.String.pipe(described("Whether the database answers.")),
  migrations: Schema.String.pipe(
    described("Whether the migrations that this server knows are applied unchanged. Later ones are ignored.")
  ),
  changes: Schema.String.pipe(described("Whether this server and the others notify each other at once.")),
  serving: Schema.String.pipe(described("Whether this server keeps running: not `ok` once it is about to stop."))
})
export type Checks = typeof Checks.Type

const checks = Checks.pipe(described("Each check is `ok`, or says what is wrong."))

export class Readiness extends Schema.Class<Readiness>("Readiness")({
  status: Schema.Literal("ready").pipe(described("Always `ready`; a server that is not ready answers with 503.")),
  checks
}) {}

/** At least one check fails: send requests to another server. */
export class NotReady extends Problem<NotReady>()("NotReady", { checks }) {}
