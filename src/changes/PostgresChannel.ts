import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Duration, Effect, Stream, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import { ChannelLost, channelName, type ChangeChannel } from "./ChangeChannel.ts"

const lost = ({ reason }: SqlError.SqlError) => new ChannelLost({ reason: reason.message })

/**
 * LISTEN and NOTIFY, on a connection of its own, so that no transaction that writes waits for the lock that NOTIFY takes to
 * commit, and no connection of the pool is held. LISTEN needs a session; behind a pooler of transactions, which gives none,
 * changes of other processes wait for the sweep.
 */
export const connectPostgres = Effect.fn("PostgresChannel.connect")(function* (
  config: PgClientConfig
): Effect.fn.Return<ChangeChannel, SqlError.SqlError, Scope.Scope> {
  const connection = yield* PgConnection.make({
    ...config,
    multiplex: false,
    // A connection that only listens would never notice that the other end is gone.
    keepAlive: Duration.seconds(10)
  })
  const session = yield* connection.pin
  const notifications = yield* session.listen(channelName)
  return {
    // One transaction for all of them, since each takes a transaction id.
    send: (payloads) =>
      session
        .query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", [channelName, payloads])
        .pipe(Effect.mapError(lost)),
    received: Stream.fromQueue(notifications).pipe(
      Stream.map(({ payload }) => payload),
      Stream.mapError(lost)
    )
  }
}, Effect.mapError(lost))
