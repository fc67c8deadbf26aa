import type { PgClientConfig } from "@effect/sql-pg/PgClient"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { Duration, Effect, Stream, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import { ChannelLost, channelName, type ChangeChannel } from "./ChangeChannel.ts"

const lost = ({ reason }: SqlError.SqlError) => new ChannelLost({ reason: reason.message })

/**
 * LISTEN and NOTIFY, on a connection of its own: no transaction that writes ever waits for the lock that NOTIFY takes to
 * commit, and none of the pool's connections is held. It needs a session, which a pooler of transactions does not give:
 * behind one, changes of other processes wait for the sweep.
 */
export const connectPostgres = Effect.fn("PostgresChannel.connect")(function* (
  config: PgClientConfig
): Effect.fn.Return<ChangeChannel, SqlError.SqlError, Scope.Scope> {
  const connection = yield* PgConnection.make({
    ...config,
    multiplex: false,
    // Who only listens would never find out that the other end is gone.
    keepAlive: Duration.seconds(10)
  })
  const session = yield* connection.pin
  const notifications = yield* session.listen(channelName)
  return {
    // One transaction for all, since each takes a transaction id.
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
