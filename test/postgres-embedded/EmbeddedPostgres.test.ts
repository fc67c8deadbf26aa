import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Schedule, Schema, Scope } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, statSync } from "node:fs"
import { appendFile, chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as EmbeddedPostgres from "../../src/postgres-embedded/EmbeddedPostgres.ts"
import { installed } from "../../src/postgres-embedded/PostgresBinaries.ts"

/** A folder that the server's user can reach even if the tests run as root. */
const temporaryFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "xfchat-test-"))
    await chmod(folder, 0o755)
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** The first row that `statement` returns from the server at `url`. */
const ask = (url: Redacted.Redacted, statement: string) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    return (yield* sql.unsafe<Record<string, unknown>>(statement))[0]
  }).pipe(Effect.provide(PgClient.layer({ url, connectTimeout: "2 seconds" })), Effect.scoped)

/** Whether a server accepts connections at `url`. */
const listens = (url: Redacted.Redacted) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(Number(new URL(Redacted.value(url)).port), "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

const Said = Schema.fromJsonString(
  Schema.Struct({
    url: Schema.optional(Schema.RedactedFromValue(Schema.String)),
    folder: Schema.optional(Schema.String),
    failed: Schema.optional(Schema.String),
    answer: Schema.optional(Schema.Int)
  })
)

const postmasterPid = (folder: string) => Number.parseInt(readFileSync(join(folder, "data", "postmaster.pid"), "utf8"))

/** Another process, which starts a server. It has its own process group, as in a terminal. */
const otherProcess = Effect.fnUntraced(function* (ends: "never" | "exit", folder?: string) {
  const other = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const program = join(import.meta.dirname, "embeddedPostgresProcess.ts")
      const args = [program, ends, ...(folder === undefined ? [] : [folder])]
      const deno = "Deno" in globalThis ? ["run", "-A"] : []
      const child = spawn(process.execPath, [...deno, ...args], {
        detached: true,
        stdio: ["ignore", "pipe", "inherit"]
      })
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
      return { child, ended, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGTERM")
        return ended
      })
  )
  const says = Effect.promise(() => other.lines.next()).pipe(
    Effect.flatMap(({ value }) => Schema.decodeUnknownEffect(Said)(value))
  )
  const pid = other.child.pid!
  return {
    pid,
    says,
    end: (signal: NodeJS.Signals) => Effect.sync(() => process.kill(-pid, signal)),
    ended: Effect.promise(() => other.ended)
  }
})

describe("A temporary server", () => {
  it.live("accepts 200 connections from this machine only, with UTF-8 text and the C collation", () =>
    Effect.gen(function* () {
      const { url } = yield* EmbeddedPostgres.start()
      const row = yield* ask(
        url,
        `SELECT current_setting('max_connections') AS connections, current_setting('server_encoding') AS encoding,
                datcollate AS collation, current_setting('fsync') AS fsync, current_setting('listen_addresses') AS addresses
         FROM pg_database WHERE datname = current_database()`
      )
      const expected = { connections: "200", encoding: "UTF8", collation: "C", fsync: "off", addresses: "127.0.0.1" }
      assert.deepStrictEqual(row, expected)
    })
  )

  it.live("accepts only its password, which is long and is not printed", () =>
    Effect.gen(function* () {
      const server = yield* EmbeddedPostgres.start()
      const { password } = new URL(Redacted.value(server.url))
      assert.isAtLeast(password.length, 32)
      assert.notInclude(String(server.url) + JSON.stringify(server), password)
      const guess = Redacted.make(Redacted.value(server.url).replace(password, "postgres"))
      const error = yield* Effect.flip(ask(guess, "SELECT 1"))
      assert.strictEqual(error.reason._tag, "AuthenticationError")
    })
  )

  it.live("disappears with its scope, together with its folder", () =>
    Effect.gen(function* () {
      const { url, folder } = yield* EmbeddedPostgres.start().pipe(
        Effect.tap(({ url }) => Effect.map(listens(url), assert.isTrue)),
        Effect.scoped
      )
      assert.isFalse(yield* listens(url))
      assert.isFalse(existsSync(folder))
    })
  )

  it.live("ends even when it hangs", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { folder, url } = yield* EmbeddedPostgres.start().pipe(Scope.provide(scope))
      process.kill(postmasterPid(folder), "SIGSTOP")
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(yield* listens(url))
      assert.isFalse(existsSync(folder))
    })
  )

  it.live("of a killed process is deleted by the next start, one of a living process is not", () =>
    Effect.gen(function* () {
      const [killed, living] = yield* Effect.all([otherProcess("never"), otherProcess("never")])
      const [left, used] = yield* Effect.all([killed.says, living.says])
      yield* killed.end("SIGKILL")
      yield* killed.ended
      assert.isTrue(yield* listens(left.url!))
      yield* EmbeddedPostgres.start()
      assert.isFalse(yield* listens(left.url!))
      assert.isFalse(existsSync(left.folder!))
      assert.deepStrictEqual(yield* ask(used.url!, "SELECT 1 AS one"), { one: 1 })
    })
  )
})

describe("A server with a folder", () => {
  it.live("keeps its data, its password and its durability between runs", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const first = yield* EmbeddedPostgres.start({ folder }).pipe(
        Effect.tap(({ url }) => ask(url, "CREATE TABLE kept AS SELECT 'as it was' AS state")),
        Effect.scoped
      )
      const second = yield* EmbeddedPostgres.start({ folder })
      assert.deepStrictEqual(yield* ask(second.url, "SELECT state, current_setting('fsync') AS fsync FROM kept"), {
        state: "as it was",
        fsync: "on"
      })
      assert.strictEqual(new URL(Redacted.value(second.url)).password, new URL(Redacted.value(first.url)).password)
      assert.strictEqual(statSync(join(second.folder, "password")).mode & 0o777, 0o600)
    })
  )

  it.live("refuses a second process, and names the first", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const other = yield* otherProcess("never", folder)
      yield* other.says
      const error = yield* Effect.flip(EmbeddedPostgres.start({ folder }))
      assert.strictEqual(error._tag, "FolderInUse")
      assert.include(error.message, `already in use by pid ${other.pid}`)
    })
  )

  it.live("starts once when two processes ask at the same time", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const others = yield* Effect.all([otherProcess("never", folder), otherProcess("never", folder)])
      const said = yield* Effect.forEach(others, ({ says }) => says, { concurrency: "unbounded" })
      const outcomes = said.map(({ failed }) => failed?.includes("already in use") ?? "started")
      assert.sameMembers(outcomes, ["started", true])
    })
  )

  it.live("starts again with the committed data after its process was killed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const killed = yield* otherProcess("never", folder)
      const left = yield* killed.says
      yield* ask(left.url!, "CREATE TABLE kept AS SELECT 1 AS one")
      yield* killed.end("SIGKILL")
      yield* killed.ended
      assert.isTrue(yield* listens(left.url!))
      const { url } = yield* EmbeddedPostgres.start({ folder })
      assert.isFalse(yield* listens(left.url!))
      assert.deepStrictEqual(yield* ask(url, "SELECT one FROM kept"), { one: 1 })
    })
  )

  it.live("starts although another program has the pid of its last server, and spares that program", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const real = yield* EmbeddedPostgres.start({ folder }).pipe(
        Effect.map(({ folder }) => ({ folder, file: readFileSync(join(folder, "data", "postmaster.pid"), "utf8") })),
        Effect.scoped
      )
      const file = real.file.replace(/^\d+/, String(process.pid))
      yield* Effect.promise(() => writeFile(join(real.folder, "data", "postmaster.pid"), file))
      const { url } = yield* EmbeddedPostgres.start({ folder })
      assert.deepStrictEqual(yield* ask(url, "SELECT 1 AS one"), { one: 1 })
    })
  )

  it.live("explains what to do with data of another major version", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const real = yield* Effect.scoped(EmbeddedPostgres.start({ folder }))
      yield* Effect.promise(() => writeFile(join(real.folder, "data", "PG_VERSION"), "12\n"))
      const error = yield* Effect.flip(EmbeddedPostgres.start({ folder }))
      assert.strictEqual(error._tag, "PostgresVersionMismatch")
      assert.match(
        error.message,
        /from PostgreSQL 12, but PostgreSQL \d+ is installed: move the folder away .* or install/
      )
    })
  )

  it.live("shows the output of a PostgreSQL that does not start", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const real = yield* Effect.scoped(EmbeddedPostgres.start({ folder }))
      yield* Effect.promise(() => appendFile(join(real.folder, "data", "postgresql.conf"), "\nno_such_setting = 1\n"))
      const error = yield* Effect.flip(EmbeddedPostgres.start({ folder }))
      assert.strictEqual(error._tag, "PostgresStartFailed")
      assert.include(error.message, `unrecognized configuration parameter "no_such_setting"`)
    })
  )

  it.live("reports a folder that cannot be created", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "file")
      yield* Effect.promise(() => writeFile(file, ""))
      const error = yield* Effect.flip(EmbeddedPostgres.start({ folder: join(file, "below") }))
      assert.strictEqual(error._tag, "FolderUnusable")
      assert.include(error.message, "ENOTDIR")
    })
  )
})

describe("The port", () => {
  it.live("is the requested one if it is free, otherwise another", () =>
    Effect.gen(function* () {
      const port = yield* Effect.callback<number>((resume) => {
        const probe = createServer().listen(0, "127.0.0.1", () => {
          const address = probe.address()
          assert(typeof address === "object" && address !== null)
          probe.close(() => resume(Effect.succeed(address.port)))
        })
      })
      const first = yield* EmbeddedPostgres.start({ port })
      const second = yield* EmbeddedPostgres.start({ port })
      assert.strictEqual(first.port, port)
      assert.notStrictEqual(second.port, port)
      assert.deepStrictEqual(yield* ask(first.url, "SELECT 1 AS one"), { one: 1 })
      assert.deepStrictEqual(yield* ask(second.url, "SELECT 1 AS one"), { one: 1 })
    })
  )
})

describe("The process that started the server", () => {
  it.live("can still use it while it ends by Ctrl-C, and then stops it", () =>
    Effect.gen(function* () {
      const other = yield* otherProcess("never")
      const { folder, url } = yield* other.says
      yield* other.end("SIGINT")
      assert.deepStrictEqual(yield* other.says, { answer: 1 })
      yield* other.ended
      assert.isFalse(yield* listens(url!))
      assert.isFalse(existsSync(folder!))
    })
  )

  it.live("stops it also by process.exit, which leaves scopes open", () =>
    Effect.gen(function* () {
      const other = yield* otherProcess("exit", yield* temporaryFolder)
      const { url } = yield* other.says
      yield* other.ended
      const ended = Effect.filterOrFail(listens(url!), (listening) => !listening)
      yield* Effect.retry(ended, { schedule: Schedule.spaced("10 millis"), times: 1000 })
    })
  )
})

it.effect("Without the package that contains PostgreSQL, the error says how to install it", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(installed(join(tmpdir(), "elsewhere.ts")))
    assert.strictEqual(error._tag, "PostgresNotInstalled")
    assert.include(error.message, "npm install --include=dev")
  })
)
