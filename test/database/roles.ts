import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { TestConsole } from "effect/testing"
import { randomUUID } from "node:crypto"
import * as Database from "../../src/database/Database.ts"
import { DatabaseUrl } from "./migrations/postgres.ts"

const password = "PASSWORD"

/** A role that can connect, and has no other right than everybody. It is dropped afterwards with all that it owns in the database. */
export const makeRole = Effect.fnUntraced(function* (prefix: string) {
  const sql = yield* SqlClient.SqlClient
  const role = `${prefix}_${randomUUID().slice(0, 8)}`
  yield* Effect.acquireRelease(sql`CREATE ROLE ${sql(role)} LOGIN PASSWORD '${sql.literal(password)}'`.unprepared, () =>
    Effect.orDie(
      Effect.andThen(
        sql`REASSIGN OWNED BY ${sql(role)} TO CURRENT_USER`.unprepared,
        Effect.andThen(sql`DROP OWNED BY ${sql(role)} CASCADE`.unprepared, sql`DROP ROLE ${sql(role)}`.unprepared)
      )
    )
  )
  return role
})

/** The URL of the database of the test for a role. */
export const urlOf = Effect.fnUntraced(function* (role: string) {
  const url = new URL(Redacted.value(yield* DatabaseUrl))
  url.username = role
  url.password = password
  return url.href
})

/** The database as a server of this role has it, after all its checks. */
export const serverDatabase = (url: string, configuration: Record<string, string> = {}) =>
  Database.layer.pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: url, ...configuration }))),
    Layer.provide(TestConsole.layer)
  )

/** The one line with which a server of this role does not start; `undefined` if it starts. */
export const startFailure = Effect.fnUntraced(function* (role: string, configuration: Record<string, string> = {}) {
  const start = Layer.build(serverDatabase(yield* urlOf(role), configuration)).pipe(Effect.scoped, Effect.flip)
  const error = yield* Effect.option(start)
  return error._tag === "None" ? undefined : error.value
})
