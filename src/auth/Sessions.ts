import { Context, DateTime, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { SqlClient, SqlSchema } from "effect/sql"
import { createHash, randomBytes } from "node:crypto"
import * as Configuration from "../Configuration.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { DatabaseUnavailable } from "../Problem.ts"
import { Unauthorized, UserId } from "./Account.ts"
import { SessionId, type CurrentSession, type SessionToken } from "./Session.ts"

/** Where a session was opened from. */
export interface Device {
  readonly name: string | undefined
  /** The peer's IP address. */
  readonly address: string | undefined
}

/** How often a session's last use is written down: a write for each request would cost more than the request. */
const lastUseResolution = Duration.minutes(1)

export class Sessions extends Context.Service<
  Sessions,
  {
    /** Opens a session for an account whose owner has just proven who they are. */
    readonly open: (
      userId: UserId,
      device: Device
    ) => Effect.Effect<{ readonly token: SessionToken; readonly expiresAt: DateTime.Utc }, DatabaseUnavailable>
    /** Whose token this is. Asks the database each time: a session ended anywhere is ended everywhere. */
    readonly authenticate: (
      token: Redacted.Redacted
    ) => Effect.Effect<CurrentSession["Service"], Unauthorized | DatabaseUnavailable>
    /** Ends a session; one that has ended already stays so. */
    readonly end: (id: SessionId) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("xfchat/auth/Sessions") {
  static readonly layer = Layer.effect(
    Sessions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const lifetime = yield* Configuration.sessionLifetime

      const digest = (token: string) => createHash("sha256").update(token).digest()

      const open = Effect.fn("Sessions.open")(function* (userId: UserId, device: Device) {
        const token = Base64Url.encode(randomBytes(32))
        const now = yield* DateTime.now
        const expiresAt = DateTime.addDuration(now, lifetime)
        yield* sql`
          INSERT INTO sessions (user_id, token_hash, device_name, address, created_at, last_used_at, expires_at)
          VALUES (${userId}, ${digest(token)}, ${device.name ?? null}, ${device.address ?? null},
                  ${DateTime.toDateUtc(now)}, ${DateTime.toDateUtc(now)}, ${DateTime.toDateUtc(expiresAt)})`
        return { token: Redacted.make(token), expiresAt }
      }, catchDatabaseErrors)

      // By sessions_token_hash_key.
      const findByToken = SqlSchema.findAll({
        Request: Schema.Struct({ tokenHash: Schema.Uint8Array, now: Schema.DateTimeUtcFromDate }),
        Result: Schema.Struct({ id: SessionId, userId: UserId, lastUsedAt: Schema.DateTimeUtcFromDate }),
        execute: ({ now, tokenHash }) => sql`
          SELECT id, user_id AS "userId", last_used_at AS "lastUsedAt"
          FROM sessions WHERE token_hash = ${tokenHash} AND expires_at > ${now}`
      })

      const authenticate = Effect.fn("Sessions.authenticate")(function* (token: Redacted.Redacted) {
        const now = yield* DateTime.now
        const [session] = yield* findByToken({ tokenHash: digest(Redacted.value(token)), now })
        if (session === undefined) {
          return yield* new Unauthorized({ detail: "Send `Authorization: Bearer <token>` with the token of a login." })
        }
        if (Duration.isGreaterThan(DateTime.distance(session.lastUsedAt, now), lastUseResolution)) {
          yield* sql`UPDATE sessions SET last_used_at = ${DateTime.toDateUtc(now)} WHERE id = ${session.id}`
        }
        return { id: session.id, userId: session.userId }
      }, catchDatabaseErrors)

      const end = Effect.fn("Sessions.end")(function* (id: SessionId) {
        yield* sql`DELETE FROM sessions WHERE id = ${id}`
      }, catchDatabaseErrors)

      return Sessions.of({ open, authenticate, end })
    })
  )
}
