import { Context, Duration, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { createHash } from "node:crypto"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { sourceOf } from "../limits/Source.ts"
import { logOf } from "../platform/Log.ts"
import { RateLimited, type DatabaseUnavailable } from "../contract/Problem.ts"

const log = logOf("xfchat/auth")

/** An attempt to guess a password, and its origin. */
export interface Attempt {
  /** An account's id or its purpose (such as `current password of …`); for an unknown login, the folded login. */
  readonly login: string
  /** The client's IP address; `undefined` if it is not known. */
  readonly address: string | undefined
}

/** Attempts without a delay. After the last of them the delay is a second, and it doubles with each further one. */
const freeAttempts = 5

const longestDelay = Duration.minutes(15)

/** Failures are forgotten after this long without an attempt. */
const memory = Duration.hours(1)

const sweepInterval = Duration.minutes(10)

/** Attempts that one statement of the sweep deletes at most. */
const maxSwept = 1_000

/** The database stores neither logins nor addresses, only a hash of both. */
const keyOf = ({ address = "", login }: Attempt) =>
  createHash("sha256")
    .update(JSON.stringify([login, sourceOf(address)]))
    .digest()

/**
 * Slows down the guessing of passwords. Failures count for an account, however its login is spelled, and an address together,
 * so that attempts from elsewhere never lock the owner out; no delay is longer than {@link longestDelay}. An unknown login is
 * treated like a known one.
 */
export class LoginAttempts extends Context.Service<
  LoginAttempts,
  {
    /**
     * Counts an attempt as failed, before its password is verified, so that simultaneous attempts gain nothing over
     * consecutive ones. Fails while a delay lasts; such an attempt does not count.
     */
    readonly begin: (attempt: Attempt) => Effect.Effect<void, RateLimited | DatabaseUnavailable>
    /** Forgets the failures, because the password was right. */
    readonly succeed: (attempt: Attempt) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("xfchat/auth/LoginAttempts") {
  static readonly layer = Layer.effect(
    LoginAttempts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const longest = Duration.toSeconds(longestDelay)
      const remembered = Duration.toSeconds(memory)

      // By the primary key. The last part does not see a delay that another attempt has set since this statement began, and
      // answers one second then. The wait counts from the clock's time: from `now()`, the start of this statement, it would be
      // too long after a wait for the row's lock. `blocked_until` is the epoch, not `now()`, where there is no delay, because
      // an attempt that began earlier would be blocked by the `now()` of a later one.
      const count = SqlSchema.findOne({
        Request: Schema.Uint8Array,
        Result: Schema.Struct({ isAdmitted: Schema.Boolean, wait: Schema.Int }),
        execute: (key) => sql`
          WITH admitted AS (
            INSERT INTO login_attempts AS a (key, failures, blocked_until, forgotten_at)
            VALUES (${key}, 1, to_timestamp(0), now() + ${remembered} * interval '1 second')
            ON CONFLICT (key) DO UPDATE SET
              failures = CASE WHEN a.forgotten_at > now() THEN a.failures + 1 ELSE 1 END,
              blocked_until = CASE
                WHEN a.forgotten_at > now() AND a.failures + 1 >= ${freeAttempts}
                THEN now() + interval '1 second' * least(${longest}, 2 ^ least(a.failures + 1 - ${freeAttempts}, 20))
                ELSE to_timestamp(0) END,
              forgotten_at = excluded.forgotten_at
            WHERE a.blocked_until <= now()
            RETURNING key
          )
          SELECT EXISTS (SELECT FROM admitted) AS "isAdmitted", coalesce(
            (SELECT greatest(1, ceil(extract(epoch FROM blocked_until - clock_timestamp())))::int
              FROM login_attempts WHERE key = ${key}), 1) AS wait`
      })

      const begin = Effect.fn("LoginAttempts.begin")(function* (attempt: Attempt) {
        const { isAdmitted, wait } = yield* count(keyOf(attempt))
        if (!isAdmitted) {
          return yield* new RateLimited({
            detail: `The password was wrong too often: try again in ${wait} s.`,
            retryAfter: wait
          })
        }
      }, catchDatabaseErrors)

      const succeed = Effect.fn("LoginAttempts.succeed")(function* (attempt: Attempt) {
        yield* sql`DELETE FROM login_attempts WHERE key = ${keyOf(attempt)}`
      }, catchDatabaseErrors)

      // By login_attempts_forgotten_at_idx. Rows that another process is sweeping are left to it.
      const sweep = sql`
        DELETE FROM login_attempts WHERE key = ANY(ARRAY(
          SELECT key FROM login_attempts WHERE forgotten_at < now() LIMIT ${maxSwept} FOR UPDATE SKIP LOCKED))
        RETURNING forgotten_at`.pipe(
        // In short statements, however many rows there are.
        Effect.repeat({ while: (swept) => swept.length === maxSwept }),
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => log.warning("The sweep of login attempts is delayed"))
      )
      yield* sweep.pipe(Effect.repeat(Schedule.spaced(sweepInterval)), Effect.forkScoped)

      return LoginAttempts.of({ begin, succeed })
    })
  )
}
