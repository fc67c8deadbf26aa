import { Data, Effect, type Scope } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { platform } from "node:os"
import { join } from "node:path"
import { logOf } from "../platform/Log.ts"
import { FolderUnusable } from "./FolderLock.ts"
import type { PostgresAccount } from "./PostgresAccount.ts"
import type { PostgresBinaries } from "./PostgresBinaries.ts"

const log = logOf("xfchat/postgres-embedded")

/** initdb or the server failed; `log` holds the last lines of its output. */
export class PostgresStartFailed extends Data.TaggedError("PostgresStartFailed")<{
  readonly folder: string
  readonly detail: string
  readonly log: string
}> {
  override get message() {
    return `PostgreSQL did not start in ${this.folder}: ${this.detail}\n${this.log}`.trimEnd()
  }
}

/** A server: its programs, the user that they run as, and the folder with its `data` and `server.log`. */
export interface Postmaster {
  readonly binaries: PostgresBinaries
  readonly account: PostgresAccount
  readonly folder: string
}

/** The folder that PostgreSQL itself calls its data directory. */
export const dataOf = (folder: string) => join(folder, "data")

const logFile = (folder: string) => join(folder, "server.log")

const startFailed = (folder: string, detail: string) => {
  const log = existsSync(logFile(folder)) ? readFileSync(logFile(folder), "utf8").trimEnd() : ""
  return new PostgresStartFailed({ folder, detail, log: log.split("\n").slice(-20).join("\n") })
}

interface Program {
  readonly pid: number | undefined
  /** An exit status, the name of the signal that ended it, or the reason that it could not be run. */
  readonly ended: Promise<number | string>
  readonly kill: (signal: NodeJS.Signals) => boolean
  /** Lets this process end before the program does. */
  readonly unref: () => void
}

const run = (server: Postmaster, name: "initdb" | "postgres", args: ReadonlyArray<string>) =>
  Effect.try({
    try: (): Program => {
      // A file, not a pipe: after the end of this process, PostgreSQL would end at the next line that it writes to a pipe.
      const log = openSync(logFile(server.folder), "w", 0o600)
      const child = spawn(join(server.binaries.folder, "bin", name), args, {
        ...server.account,
        // A session of its own, so that Ctrl-C reaches only this process, which ends the server after its users.
        detached: true,
        // The current folder may be closed to the account.
        cwd: "/",
        // Without PGDATA, PGOPTIONS …; messages in English, since one is compared below. TZ saves initdb a search.
        env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" },
        stdio: ["ignore", log, log]
      })
      closeSync(log)
      const ended = new Promise<number | string>((resolve) => {
        child.once("exit", (code, signal) => resolve(code ?? signal ?? "an unknown status"))
        child.once("error", (error) => resolve(error.message))
      })
      return { pid: child.pid, ended, kill: (signal) => child.kill(signal), unref: () => child.unref() }
    },
    catch: (cause) => startFailed(server.folder, `${name} cannot be run: ${String(cause)}`)
  })

/** Runs initdb to its end. It fills `data`, an empty folder of the account's. */
export const initialize = Effect.fn("Postmaster.initialize")(function* (
  server: Postmaster,
  options: { readonly data: string; readonly passwordFile: string; readonly durable: boolean }
) {
  const initdb = yield* Effect.acquireRelease(
    run(server, "initdb", [
      `--pgdata=${options.data}`,
      "--username=postgres",
      `--pwfile=${options.passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      // Upper and lower case for the letters of every language, in the order of the bytes.
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
      "--no-instructions",
      // Syncing and the zeroes of a first WAL segment of 16 MB take a third of its time.
      ...(options.durable ? [] : ["--no-sync", "--wal-segsize=1"])
    ]),
    (initdb) => Effect.sync(() => initdb.kill("SIGTERM")).pipe(Effect.andThen(Effect.promise(() => initdb.ended)))
  )
  const end = yield* Effect.promise(() => initdb.ended)
  if (end !== 0) return yield* startFailed(server.folder, `initdb ended with ${end}`)
}, Effect.scoped)

class PortTaken extends Data.TaggedError("PortTaken")<{}> {}

/**
 * Starts the server on the data of its folder and gives its port once it accepts connections: `port` if it is given and
 * free, otherwise any free port. The server stops with the scope.
 */
export const launch = (
  server: Postmaster,
  options: { readonly port: number | undefined; readonly durable: boolean }
): Effect.Effect<number, PostgresStartFailed | FolderUnusable, Scope.Scope> => {
  // Only binding a port shows that it is free: another process may take it after any other check.
  const onAnyPort = freePort.pipe(
    Effect.flatMap((port) => launchOn(server, port, options.durable)),
    Effect.retry({ times: 5, while: (error) => error._tag === "PortTaken" })
  )
  const onPort =
    options.port === undefined
      ? onAnyPort
      : launchOn(server, options.port, options.durable).pipe(Effect.catchTag("PortTaken", () => onAnyPort))
  return onPort.pipe(Effect.catchTag("PortTaken", () => startFailed(server.folder, "it could not bind any port")))
}

const freePort = Effect.callback<number>((resume) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const address = probe.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    probe.close(() => resume(Effect.succeed(port)))
  })
})

const settings = (port: number, durable: boolean) =>
  [
    `port=${port}`,
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    // With small segments initdb lowers it, which would make checkpoints frequent.
    "max_wal_size=1GB",
    ...(durable ? [] : ["fsync=off", "full_page_writes=off", "synchronous_commit=off"])
  ].flatMap((setting) => ["-c", setting])

const launchOn = Effect.fn("Postmaster.launchOn")(function* (server: Postmaster, port: number, durable: boolean) {
  const data = dataOf(server.folder)
  const postmaster = yield* Effect.acquireRelease(
    run(server, "postgres", ["-D", data, ...settings(port, durable)]).pipe(
      Effect.map(({ ended, pid, unref }) => {
        // A call of process.exit, or an uncaught error, leaves the scope open.
        const endWithUs = () => {
          if (pid !== undefined) signalPostmaster(pid, data, "SIGINT")
        }
        process.once("exit", endWithUs)
        return { ended, pid, unref, endWithUs }
      })
    ),
    ({ endWithUs, pid }) =>
      Effect.andThen(
        pid === undefined ? Effect.void : end(pid, data),
        Effect.sync(() => process.removeListener("exit", endWithUs))
      )
  )

  const ready = Effect.gen(function* () {
    for (;;) {
      const file = yield* readPostmasterFile(data)
      if (file !== undefined && file.pid === postmaster.pid && file.status === "ready") return port
      yield* Effect.sleep("10 millis")
    }
  })
  const failed = Effect.promise(() => postmaster.ended).pipe(
    Effect.flatMap((end): Effect.Effect<never, PortTaken | PostgresStartFailed> => {
      const failure = startFailed(server.folder, `it ended with ${end}`)
      return failure.log.includes("could not create any TCP/IP sockets") ? new PortTaken() : failure
    })
  )
  yield* Effect.raceFirst(ready, failed).pipe(
    Effect.timeoutOrElse({
      // After a crash, recovery reads the whole WAL since the last checkpoint.
      duration: "1 minute",
      orElse: () => startFailed(server.folder, "it was not ready within a minute")
    })
  )
  postmaster.unref()
  return port
})

/**
 * Stops the server that a killed process left running on the data of `folder`. Only the holder of the folder calls it, so
 * no living process of ours owns that server.
 */
export const stopLeftover = Effect.fn("Postmaster.stopLeftover")(function* (folder: string) {
  const data = dataOf(folder)
  const file = yield* readPostmasterFile(data)
  if (file === undefined) return
  if (isPostmaster(file.pid, data)) yield* end(file.pid, data)
  if (isPostmaster(file.pid, data))
    return yield* startFailed(folder, `pid ${file.pid}, the server of a killed process, does not stop`)
  // PostgreSQL does not start while any process has the pid in this file, as is common after a restart of a container. It
  // detects a server that still uses the data by its shared memory.
  yield* Effect.try({
    try: () => rmSync(join(data, "postmaster.pid"), { force: true }),
    catch: (cause) => new FolderUnusable({ folder, cause })
  })
})

// Its lines: pid, data directory, start time, port, socket directory, address, shared memory, status.
const readPostmasterFile = (data: string) =>
  Effect.try({
    try: () => {
      const file = join(data, "postmaster.pid")
      if (!existsSync(file)) return undefined
      const lines = readFileSync(file, "utf8").split("\n")
      const pid = Number.parseInt(lines[0] ?? "")
      return Number.isNaN(pid) ? undefined : { pid, status: lines[7]?.trim() }
    },
    catch: (cause) => new FolderUnusable({ folder: data, cause })
  })

// A pid proves nothing, since it may be another process's by now; the command line does. A zombie, which has ended, has none.
const isPostmaster = (pid: number, data: string) => {
  try {
    return platform() === "linux"
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`\0-D\0${data}\0`)
      : execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).includes(` -D ${data} `)
  } catch {
    // There is no such process.
    return false
  }
}

/** Gives whether the server was still there to receive the signal. */
const signalPostmaster = (pid: number, data: string, signal: NodeJS.Signals) => {
  if (!isPostmaster(pid, data)) return false
  try {
    return process.kill(pid, signal)
  } catch (error) {
    // It ended after the check.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false
    throw error
  }
}

// A fast shutdown, then an immediate one, then SIGKILL: 7 seconds at most. Committed transactions are safe in each case.
const end = Effect.fn("Postmaster.end")(function* (pid: number, data: string) {
  for (const [signal, seconds] of [
    ["SIGINT", 5],
    ["SIGQUIT", 1],
    ["SIGKILL", 1]
  ] as const) {
    if (!signalPostmaster(pid, data, signal)) return
    for (let waits = 0; waits < seconds * 100; waits++) {
      if (!isPostmaster(pid, data)) return
      yield* Effect.sleep("10 millis")
    }
  }
  yield* log.warning(`PostgreSQL, pid ${pid}, does not stop: end it by hand`)
})
