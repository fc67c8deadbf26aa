import { Data, Deferred, Effect, Redacted, type Scope } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { unlimited } from "./unlimited.ts"

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")
const binary = (name: string) => `${root}/node_modules/.bin/${name}`

type Command = readonly [program: string, ...args: ReadonlyArray<string>]

type Flags = ReadonlyArray<string>

/** A program on Node: of the source, or of the bundle that `test/bundle.ts` has made. */
export const program = (name: "main" | "cli"): string => {
  const bundle = process.env["XFCHAT_BUNDLE"]
  return bundle === undefined ? `src/${name}.ts` : `${bundle}/${name}.js`
}

/** The commands that serve XFChat as a process of its own, with flags of the runtime. */
export const runtimes = {
  node: (_port?: string, flags: Flags = []): Command => [binary("node"), ...flags, program("main")],
  deno: (_port?: string, flags: Flags = []): Command => [binary("deno"), "run", "-A", ...flags, "src/main.ts"],
  // A fetch handler does not listen; its host does.
  edge: (port: string, flags: Flags = []): Command => {
    const serve = ["serve", "-A", "--host", "127.0.0.1", "--port", port]
    return [binary("deno"), ...serve, ...flags, "src/edge.ts"]
  }
}

export type Runtime = keyof typeof runtimes

/** The process ended without the line that was expected. */
export class ProcessEnded extends Data.TaggedError("ProcessEnded")<{ readonly message: string }> {}

export interface ServerProcess {
  /** Everything written so far, to standard output and error. */
  readonly output: () => string
  /** Everything written so far to standard output. */
  readonly standardOutput: () => string
  /** Everything written so far to standard error. */
  readonly errorOutput: () => string
  /** Waits for a line that matches; fails when the process ends without one. */
  readonly line: (pattern: RegExp) => Effect.Effect<RegExpExecArray, ProcessEnded>
  /** Waits for the exit code, or the signal that killed the process. */
  readonly exit: Effect.Effect<number | NodeJS.Signals>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** Node's cache of compiled code: the tests start hundreds of processes, each in half the time with it. */
const NODE_COMPILE_CACHE = `${root}/.data/compile-cache`

/**
 * Starts a command in the project's folder. Its environment is `env`, PATH and HOME; its standard input is `input`, if
 * given.
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
  // A process may end before it has read its input.
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

/** Starts the server on a database, on a free port of 127.0.0.1 unless one is given, and waits until it listens. */
export const startServer = Effect.fn("startServer")(function* (
  runtime: Runtime,
  databaseUrl: Redacted.Redacted,
  env: Record<string, string> = {},
  flags: Flags = []
) {
  const environment = {
    ...unlimited,
    DATABASE_URL: Redacted.value(databaseUrl),
    SERVER_HOST: "127.0.0.1",
    SERVER_PORT: "0",
    ...env
  }
  const server = yield* startProcess(runtimes[runtime](environment.SERVER_PORT, flags), environment)
  const [, port = ""] = yield* server.line(/(?: listening on|Listening on http:\/\/)\D*127\.0\.0\.1:(\d+)/)
  return { ...server, port, baseUrl: `http://127.0.0.1:${port}` }
})
