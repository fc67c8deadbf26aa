// Runs a command with the URL of a throwaway PostgreSQL as its last argument.
import { Effect, Redacted } from "effect"
import { spawn } from "node:child_process"
import * as EmbeddedPostgres from "../src/postgres-embedded/EmbeddedPostgres.ts"

const [command = "", ...args] = process.argv.slice(2)
const program = Effect.gen(function* () {
  const { url } = yield* EmbeddedPostgres.start()
  return yield* Effect.callback<number>((resume) => {
    spawn(command, [...args, Redacted.value(url)], { stdio: "inherit" }).on("exit", (code) =>
      resume(Effect.succeed(code ?? 1))
    )
  })
})
process.exitCode = await Effect.runPromise(Effect.scoped(program))
