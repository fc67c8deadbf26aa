import * as PgClient from "@effect/sql-pg/PgClient"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import { Reactivity } from "effect/reactivity"
import { TestDatabase } from "../../src/testing/index.ts"

/** A separate connection to the test's database, not one of XFChat's. */
export const connection = Effect.gen(function* () {
  const { url } = yield* TestDatabase
  return yield* PgClient.makeClient({ url, applicationName: "test" })
}).pipe(Effect.provide(Reactivity.layer))

/** Runs SQL on the database of the test. */
export const having = (...statements: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* connection
    for (const statement of statements) yield* sql.unsafe(statement)
  }).pipe(Effect.scoped)

/** Empties the test's database, as before any migration. */
export const emptied = having("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")

/** The content of a message, as the database holds it. */
export const stored = (id: string) =>
  Effect.flatMap(connection, (sql) => sql`SELECT content FROM chat_messages WHERE id = ${id}`).pipe(Effect.scoped)

const often = Schedule.spaced("20 millis")

/** Locks the table of users until it is released: statements that need it wait. */
export const lockUsers = Effect.gen(function* () {
  const [sql, observer] = yield* Effect.all([connection, connection])
  const [locked, released] = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
  const holder = yield* sql`LOCK TABLE users IN ACCESS EXCLUSIVE MODE`.pipe(
    Effect.andThen(Deferred.succeed(locked, undefined)),
    Effect.andThen(Deferred.await(released)),
    sql.withTransaction,
    Effect.forkScoped
  )
  yield* Effect.raceFirst(Deferred.await(locked), Fiber.join(holder))
  return {
    /** Waits until a statement waits for the lock, other than the background writes of usage. */
    somebodyWaits: observer<{ waits: boolean }>`
      SELECT EXISTS (
        SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE datname = current_database() AND relation = 'users'::regclass AND NOT granted
          AND query NOT LIKE '%usage_tracking%'
      ) AS waits`.pipe(Effect.repeat({ until: ([row]) => row?.waits === true, schedule: often })),
    release: Effect.andThen(Deferred.succeed(released, undefined), Fiber.join(holder))
  }
})

/** Waits until XFChat has no connection to the database of the test. */
export const disconnected = Effect.gen(function* () {
  const sql = yield* connection
  yield* sql<{ count: number }>`
    SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'xfchat'`.pipe(
    Effect.repeat({ until: ([row]) => row?.count === 0, schedule: often })
  )
}).pipe(Effect.scoped)
