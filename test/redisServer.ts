import { Effect, Option, Redacted } from "effect"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { freePort } from "./process/tcp.ts"
import { startProcess } from "./serverProcess.ts"

const isExecutable = (path: string) => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const given = Option.fromUndefinedOr(process.env["REDIS_URL"])
const binary = Option.fromUndefinedOr(
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "redis-server"))
    .find(isExecutable)
)

/** Whether there is a real Redis; tests that need one are skipped otherwise. */
export const hasRedis = Option.isSome(given) || Option.isSome(binary)

/** The Redis at REDIS_URL or, without that, a new one of the `redis-server` in PATH, which stores nothing. */
export const startRedis = Effect.gen(function* () {
  if (Option.isSome(given)) return Redacted.make(given.value)
  const port = yield* freePort
  const command = yield* Effect.fromOption(binary)
  const server = yield* startProcess(
    [command, "--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no"],
    {}
  )
  yield* server.line(/Ready to accept connections/)
  return Redacted.make(`redis://127.0.0.1:${port}`)
})
