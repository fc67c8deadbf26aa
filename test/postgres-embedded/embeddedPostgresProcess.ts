import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Cause, Context, Effect, Layer, Redacted } from "effect"
import * as EmbeddedPostgres from "../../src/postgres-embedded/EmbeddedPostgres.ts"

/**
 * A process of its own with a server, for the tests that end such processes. Its arguments: how it ends, and a folder or
 * none. It says on a line each what it does, as JSON.
 */
const [ends, folder] = process.argv.slice(2)
const say = (line: object) => Effect.sync(() => console.log(JSON.stringify(line)))

const program = Effect.gen(function* () {
  const server = yield* EmbeddedPostgres.start(folder === undefined ? {} : { folder })
  yield* say({ url: Redacted.value(server.url), folder: server.folder })
  if (ends === "exit") process.exit(0)
  // The users of the server are released before it, so they must still reach it.
  const sql = Context.get(yield* Layer.build(PgClient.layer({ url: server.url })), PgClient.PgClient)
  yield* Effect.addFinalizer(() =>
    sql<{ answer: number }>`SELECT 1 AS answer`.pipe(
      Effect.orDie,
      Effect.flatMap(([row]) => say({ answer: row?.answer }))
    )
  )
  return yield* Effect.never
})

program.pipe(
  Effect.scoped,
  Effect.tapCause((cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : say({ failed: String(Cause.squash(cause)) })
  ),
  NodeRuntime.runMain
)
