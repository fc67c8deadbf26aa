import { Array as Arrays, Context, DateTime, Duration, Effect, Layer, Redacted, Schedule, Schema } from "effect"
import { Base64Url } from "effect/encoding"
import { SqlClient, SqlSchema } from "effect/sql"
import { hash, randomBytes } from "node:crypto"
import { Configuration } from "../platform/Configuration.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { batched } from "../database/Batched.ts"
import { logOf } from "../platform/Log.ts"
import { NotFound, type DatabaseUnavailable } from "../contract/Problem.ts"
import { inet, lastUseResolution, makeLastUses } from "./LastUses.ts"
import type { PasswordProof } from "./Passwords.ts"
import { Unauthorized, UserId } from "../contract/Account.ts"
import { Session, SessionId, type Caller, type SessionToken } from "../contract/Session.ts"

const log = logOf("xfchat/auth")

/** The device and the address that a session was opened from. */
export interface Device {
  readonly name: string | undefined
  /** The peer's IP address. */
  readonly address: string | undefined
}

/** Sessions of one person. Opening another ends the one that has not been used for the longest time. */
const maxSessions = 100

const sweepInterval = Duration.hours(1)

/** Sessions that one statement of the sweep deletes at most. */
const maxSwept = 1_000

/** An expired session is kept for longer than the clocks of two processes differ. */
const keptExpired = Duration.days(1)

export class Sessions extends Context.Service<
  Sessions,
  {
    /**
     * Opens a session. With a proof, fails if the password has changed since. Fails for an account that is disabled, or is
     * being deleted.
     */
    readonly open: (
      userId: UserId,
      device: Device,
      proof?: PasswordProof
    ) => Effect.Effect<
      { readonly token: SessionToken; readonly expiresAt: DateTime.Utc },
      Unauthorized | DatabaseUnavailable
    >
    /** Finds the caller by a token. Asks the database each time, so that a session that was ended anywhere is ended everywhere. */
    readonly authenticate: (
      token: Redacted.Redacted,
      address?: string
    ) => Effect.Effect<Caller, Unauthorized | DatabaseUnavailable>
    /** Writes the last uses of sessions that are in memory. This happens within a second anyway. */
    readonly flush: Effect.Effect<void, DatabaseUnavailable>
    /** The caller's sessions, the last used first. */
    readonly list: (caller: Caller) => Effect.Effect<ReadonlyArray<Session>, DatabaseUnavailable>
    /** Ends a session, if it has not ended yet. */
    readonly end: (id: SessionId) => Effect.Effect<void, DatabaseUnavailable>
    /** Ends one of the caller's sessions. */
    readonly revoke: (caller: Caller, id: SessionId) => Effect.Effect<void, NotFound | DatabaseUnavailable>
    /** Ends all sessions of the caller except the current one. May run in a transaction. */
    readonly endOthers: (caller: Caller) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("xfchat/auth/Sessions") {
  static readonly layer = Layer.effect(
    Sessions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const lastUses = yield* makeLastUses
      const lifetime = yield* Configuration.sessionLifetime

      const digest = (token: string) => hash("sha256", token, "buffer")

      // By the primary key of users, and sessions_user_id_idx. FOR SHARE waits for a change of the password in progress; a
      // change that comes later waits for it, and then ends the session that was opened here.
      const insert = SqlSchema.findAll({
        Request: Schema.Struct({
          userId: UserId,
          proof: Schema.NullOr(Schema.String),
          tokenHash: Schema.Uint8Array,
          name: Schema.NullOr(Schema.String),
          address: Schema.String,
          now: Schema.DateTimeUtcFromDate,
          expiresAt: Schema.DateTimeUtcFromDate
        }),
        Result: Schema.Struct({ id: SessionId }),
        execute: ({ address, expiresAt, name, now, proof, tokenHash, userId }) => sql`
          WITH owner AS (
            SELECT id FROM users
            WHERE id = ${userId} AND deleted_at IS NULL AND disabled_at IS NULL
              AND (${proof}::text IS NULL OR password_hash = ${proof})
            FOR SHARE
          ), ended AS (
            DELETE FROM sessions WHERE id IN (
              SELECT s.id FROM sessions s JOIN owner ON owner.id = s.user_id
              ORDER BY s.last_used_at DESC OFFSET ${maxSessions - 1})
          )
          INSERT INTO sessions (user_id, token_hash, device_name, address, created_at, last_used_at, expires_at)
          SELECT id, ${tokenHash}, ${name}, nullif(${address}, '')::inet, ${now}::timestamptz, ${now}::timestamptz, ${expiresAt}::timestamptz
          FROM owner RETURNING id`
      })

      const open = Effect.fn("Sessions.open")(function* (userId: UserId, device: Device, proof?: PasswordProof) {
        const token = Base64Url.encode(randomBytes(32))
        const now = yield* DateTime.now
        const expiresAt = DateTime.addDuration(now, lifetime)
        const [opened] = yield* insert({
          userId,
          proof: proof === undefined ? null : Redacted.value(proof),
          tokenHash: digest(token),
          name: device.name ?? null,
          address: inet(device.address),
          now,
          expiresAt
        })
        if (opened === undefined) return yield* new Unauthorized({ detail: "The login or the password is wrong." })
        return { token: Redacted.make(token), expiresAt }
      }, catchDatabaseErrors)

      /** `isUseFresh`: the last use has been written within {@link lastUseResolution}. */
      const FoundSession = Schema.Struct({ id: SessionId, userId: UserId, isUseFresh: Schema.Boolean })

      // By sessions_token_hash_key, in the order of the tokens. The array is in a sub-select, since PostgreSQL makes a new plan
      // for each execution when it sees the length of an array, which takes longer than the look-up.
      const findByTokens = SqlSchema.findAll({
        Request: Schema.Struct({
          tokenHashes: Schema.Array(Schema.Uint8Array),
          now: Schema.DateTimeUtcFromDate,
          justNow: Schema.DateTimeUtcFromDate
        }),
        Result: Schema.Struct({ session: Schema.NullOr(FoundSession) }),
        execute: ({ justNow, now, tokenHashes }) =>
          sql`
          SELECT s.id, s.user_id AS "userId", s.last_used_at >= ${justNow} AS "isUseFresh"
          FROM unnest((SELECT ${tokenHashes}::bytea[])) WITH ORDINALITY AS i (token_hash, number)
          LEFT JOIN sessions s ON s.token_hash = i.token_hash AND s.expires_at > ${now}
          ORDER BY i.number`.pipe(Effect.map(Arrays.map((row) => ({ session: row["id"] === null ? null : row }))))
      })

      const findByToken = batched((tokens: ReadonlyArray<Redacted.Redacted>) =>
        Effect.flatMap(DateTime.now, (now) =>
          findByTokens({
            tokenHashes: tokens.map((token) => digest(Redacted.value(token))),
            now,
            justNow: DateTime.subtractDuration(now, lastUseResolution)
          })
        )
      )

      const authenticate = Effect.fnUntraced(function* (token: Redacted.Redacted, address?: string) {
        const { session } = yield* findByToken(token)
        if (session === null) {
          return yield* new Unauthorized({ detail: "Send `Authorization: Bearer <token>` with the token of a login." })
        }
        if (!session.isUseFresh) yield* lastUses.record(session.id, address)
        return { id: session.id, userId: session.userId }
      }, catchDatabaseErrors)

      // By sessions_user_id_idx.
      const find = SqlSchema.findAll({
        Request: Schema.Struct({ id: SessionId, userId: UserId, now: Schema.DateTimeUtcFromDate }),
        Result: Session,
        execute: ({ id, now, userId }) => sql`
          SELECT id, device_name AS "deviceName", host(address) AS address, created_at AS "createdAt",
            last_used_at AS "lastUsedAt", expires_at AS "expiresAt", id = ${id} AS "isCurrent"
          FROM sessions WHERE user_id = ${userId} AND expires_at > ${now}
          ORDER BY last_used_at DESC, created_at DESC, id`
      })

      const list = Effect.fn("Sessions.list")(function* (caller: Caller) {
        return yield* find({ ...caller, now: yield* DateTime.now })
      }, catchDatabaseErrors)

      const end = Effect.fn("Sessions.end")(function* (id: SessionId) {
        yield* sql`DELETE FROM sessions WHERE id = ${id}`
      }, catchDatabaseErrors)

      const revoke = Effect.fn("Sessions.revoke")(function* ({ userId }: Caller, id: SessionId) {
        const ended = yield* sql`DELETE FROM sessions WHERE id = ${id} AND user_id = ${userId} RETURNING id`
        if (ended.length === 0) return yield* new NotFound({ detail: "There is no such session." })
      }, catchDatabaseErrors)

      // By sessions_user_id_idx.
      const endOthers = Effect.fn("Sessions.endOthers")(function* ({ id, userId }: Caller) {
        yield* sql`DELETE FROM sessions WHERE user_id = ${userId} AND id <> ${id}`
      }, catchDatabaseErrors)

      // By sessions_expires_at_idx. Rows that another process is sweeping are left to it.
      const sweep = Effect.gen(function* () {
        const before = DateTime.subtractDuration(yield* DateTime.now, keptExpired)
        const swept = yield* sql`
          DELETE FROM sessions WHERE id = ANY(ARRAY(
            SELECT id FROM sessions WHERE expires_at < ${DateTime.toDateUtc(before)} LIMIT ${maxSwept}
            FOR UPDATE SKIP LOCKED)) RETURNING id`
        return swept.length
      }).pipe(
        // In short statements, however many sessions have expired.
        Effect.repeat({ while: (swept) => swept === maxSwept }),
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => log.warning("The sweep of expired sessions is delayed"))
      )
      yield* sweep.pipe(Effect.repeat(Schedule.spaced(sweepInterval)), Effect.forkScoped)

      return Sessions.of({ open, authenticate, flush: lastUses.flush, list, end, revoke, endOthers })
    })
  )
}
