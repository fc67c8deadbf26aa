import { Context, Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import * as Database from "../../src/database/Database.ts"
import { TestDatabase } from "../../src/testing/index.ts"

/** Runs `use` while another connection holds locks. `release` gives them up, as the end of `use` does. */
export const holding = Effect.fnUntraced(function* <A, E, R>(
  locks: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError.SqlError>,
  use: (release: Effect.Effect<void>) => Effect.Effect<A, E, R>
) {
  const { url } = yield* TestDatabase
  const other = yield* Layer.build(Layer.fresh(Database.layerUnchecked({ url, maxConnections: 1 })))
  const sql = Context.get(other, SqlClient.SqlClient)
  const [isHeld, mayRelease] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const transaction = yield* locks(sql).pipe(
    Effect.andThen(Deferred.succeed(isHeld, undefined)),
    Effect.andThen(Deferred.await(mayRelease)),
    sql.withTransaction,
    Effect.forkScoped
  )
  yield* Deferred.await(isHeld)
  const release = Effect.andThen(Deferred.succeed(mayRelease, undefined), Effect.asVoid(Fiber.await(transaction)))
  return yield* Effect.ensuring(use(release), release)
}, Effect.scoped)
