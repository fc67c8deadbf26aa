import { Data, Deferred, Effect, Redacted, type Scope } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { unlimited } from "./unlimited.ts"

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")
const binary = (name: string) => `${root}/node_modules/.bin/${name}`

type Command = readonly [program: string, ...args: ReadonlyArray<string>]

/** The ways in which XFChat is served as a process of its own, on a port of 127.0.0.1; port 0 is any that is free. */
export const runtimes = {
  node: (): Command => [binary("node"), "src/main.ts"],
  deno: (): Command => [binary("deno"), "run", "-A", "src/main.ts"],
  // The fetch handler does not listen itself: its host is told where to.
  edge: (port: string): Command => [binary("deno"), "serve", "-A", "--host", "127.0.0.1", "--port", port, "src/edge.ts"]
}

export type Runtime = keyof typeof runtimes

/** The process ended before it wrote what was waited for. */
export class ProcessEnded extends Data.TaggedError("ProcessEnded")<{ readonly message: string }> {}

export interface ServerProcess {
  /** All that it has written so far, standard output and error together. */
  readonly output: () => string
  /** What it has written so far to standard output alone. */
  readonly standardOutput: () => string
  /** What it has written so far to standard error alone. */
  readonly errorOutput: () => string
  /** Waits for a line that matches; fails when the process ends without one. */
  readonly line: (pattern: RegExp) => Effect.Effect<RegExpExecArray, ProcessEnded>
  /** Waits for the end: the exit code, or the signal that killed it. */
  readonly exit: Effect.Effect<number | NodeJS.Signals>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** Node keeps there what it has compiled: hundreds of processes are started, each in half the time. */
const NODE_COMPILE_CACHE = `${root}/.data/compile-cache`

/**
 * Starts a command in the project's folder, with nothing in its environment but what is given and PATH and HOME, and with
 * `input` as the whole of its standard input where there is one.
 */
export const startProcess = Effect.fn("startProcess")(function* (
  [command, ...args]: Command,
  env: Record<string, string>,
  input?: string
): Effect.fn.Return<ServerProcess, never, Scope.Scope> {
  const { HOME = "", PATH = "" } = process.env
  const exit = yield* Deferred.make<number | NodeJS.Signals>()
  let output = ""
  let standardOutput = ""
  let errorOutput = ""
  let watchers: Array<() => void> = []
  const changed = () => watchers.forEach((watch) => watch())

  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(command, args, { cwd: root, env: { HOME, PATH, NO_COLOR: "1", NODE_COMPILE_CACHE, ...env } })
    ),
    (child) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        Deferred.await(exit)
      )
  )
  // Who ends before it has read all is not to be written to.
  if (input !== undefined) child.stdin.on("error", () => {}).end(input)
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (stream === child.stderr) errorOutput += text
      else standardOutput += text
      changed()
    })
  }
  child.on("close", (code, signal) => {
    Deferred.doneUnsafe(exit, Effect.succeed(code ?? signal ?? "SIGKILL"))
    changed()
  })

  const line = (pattern: RegExp) =>
    Effect.callback<RegExpExecArray, ProcessEnded>((resume) => {
      const watch = () => {
        const match = pattern.exec(output)
        if (match !== null) resume(Effect.succeed(match))
        else if (Deferred.isDoneUnsafe(exit)) {
          resume(new ProcessEnded({ message: `${command} ended without a line that matches ${pattern}:\n${output}` }))
        }
      }
      watchers.push(watch)
      watch()
      return Effect.sync(() => void (watchers = watchers.filter((other) => other !== watch)))
    })

  return {
    output: () => output,
    standardOutput: () => standardOutput,
    errorOutput: () => errorOutput,
    line,
    exit: Deferred.await(exit),
    kill: (signal) => Effect.sync(() => void child.kill(signal))
  }
})

/** Starts the server on a database, on a free port unless one is given, and waits until it listens. */
export const startServer = Effect.fn("startServer")(function* (
  runtime: Runtime,
  databaseUrl: Redacted.Redacted,
  env: Record<string, string> = {}
) {
  const environment = {
    ...unlimited,
    DATABASE_URL: Redacted.value(databaseUrl),
    SERVER_HOST: "127.0.0.1",
    SERVER_PORT: "0",
    ...env
  }
  const server = yield* startProcess(runtimes[runtime](environment.SERVER_PORT), environment)
  const [, port = ""] = yield* server.line(/(?:Server listening on|Listening on http:\/\/)\D*127\.0\.0\.1:(\d+)/)
  return { ...server, port, baseUrl: `http://127.0.0.1:${port}` }
})
