import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Redacted, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import type { SqlClient } from "effect/sql"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as EmbeddedPostgres from "../src/postgres-embedded/EmbeddedPostgres.ts"
import { startServer } from "../test/serverProcess.ts"
import { makeUsers, newSecret } from "./Population.ts"

/** Where results and profiles go. */
export const resultsFolder = fileURLToPath(new URL("./results", import.meta.url))

const observed = fileURLToPath(new URL("./workers/observed.ts", import.meta.url))

/** A PostgreSQL that commits to disk, as in production. Its data is deleted at the end. */
export const startPostgres = EmbeddedPostgres.start({ fsync: true })

export type Postgres = EmbeddedPostgres.EmbeddedPostgres

/** A database for one measure alone. */
export interface Database {
  readonly url: Redacted.Redacted
  readonly sql: SqlClient.SqlClient
  /** The prefix of its users' tokens. */
  readonly secret: string
}

const connect = (url: Redacted.Redacted) => PgClient.makeClient({ url }).pipe(Effect.provide(Reactivity.layer))

/** Makes a database, has a server migrate it, and adds users with sessions. */
export const makeDatabase = Effect.fn("makeDatabase")(function* (postgres: Postgres, name: string, users: number) {
  const admin = yield* connect(postgres.url)
  yield* admin`CREATE DATABASE ${admin(name)}`.unprepared
  const address = new URL(Redacted.value(postgres.url))
  address.pathname = `/${name}`
  const url = Redacted.make(address.href)
  yield* Effect.scoped(startServer("node", url))
  const sql = yield* connect(url)
  const secret = newSecret()
  yield* makeUsers(sql, secret, users)
  return { url, sql, secret } satisfies Database
})

/** A server under measurement. */
export interface Subject {
  readonly pid: number
  readonly port: number
  readonly collectGarbage: Effect.Effect<void>
}

/** Starts the server as a process of its own, and stops it as an operator would. Only Node writes profiles. */
export const startSubject = Effect.fn("startSubject")(function* (
  database: Database,
  { profile, runtime = "node" }: { readonly profile: boolean; readonly runtime?: "node" | "deno" }
): Effect.fn.Return<Subject, unknown, Scope.Scope> {
  const profiling = profile ? ["--cpu-prof", `--cpu-prof-dir=${resultsFolder}`] : []
  const flags = {
    node: ["--expose-gc", `--import=${observed}`, ...profiling],
    deno: ["--v8-flags=--expose-gc", `--preload=${observed}`]
  }
  const server = yield* Effect.acquireRelease(startServer(runtime, database.url, {}, flags[runtime]), (server) =>
    Effect.andThen(server.kill("SIGTERM"), server.exit)
  )
  const [, pid] = yield* server.line(/\[BENCH\] pid (\d+)/)
  let collections = 0
  const collectGarbage = Effect.suspend(() => {
    collections++
    return Effect.andThen(
      server.kill("SIGUSR2"),
      server.line(new RegExp(`(?:collected garbage[^]*){${collections}}`)).pipe(Effect.orDie)
    )
  }).pipe(Effect.asVoid)
  return { pid: Number(pid), port: Number(server.port), collectGarbage }
})

/** Makes PostgreSQL log every statement in a database, on connections that open from now on. */
export const logStatements = ({ sql }: Database, database: string) =>
  sql`ALTER DATABASE ${sql(database)} SET log_statement = 'all'`.unprepared

/** The statements that PostgreSQL logged while an effect ran. */
export const statementsOf = <A, E, R>(
  { folder }: Postgres,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ReadonlyArray<string>], E, R> =>
  Effect.gen(function* () {
    const log = join(folder, "server.log")
    const start = statSync(log).size
    const value = yield* effect
    const written = readFileSync(log).subarray(start).toString("utf8")
    const statements = written.split(/^.*\bLOG: {2}/m).filter((entry) => /^(execute|statement)/.test(entry))
    return [value, statements] as const
  })
