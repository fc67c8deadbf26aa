import { Schema } from "effect"
import { Problem } from "./Problem.ts"

/** What a server needs to serve well: `ok`, or what is wrong. */
export const Checks = Schema.Struct({
  /** It answers. */
  database: Schema.String,
  /** Every migration that this server knows is applied as it knows it. Later ones of a newer server are none of its business. */
  migrations: Schema.String,
  /** What is sent to this server reaches the streams of others at once, and the other way round. */
  changes: Schema.String,
  /** The server is not about to stop. */
  serving: Schema.String
})
export type Checks = typeof Checks.Type

export class Readiness extends Schema.Class<Readiness>("Readiness")({
  status: Schema.Literal("ready"),
  checks: Checks
}) {}

/** Send requests elsewhere: at least one check fails. */
export class NotReady extends Problem<NotReady>()("NotReady", { checks: Checks }) {}
