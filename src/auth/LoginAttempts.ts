import { Context, Duration, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { createHash } from "node:crypto"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { sourceOf } from "../limits/Source.ts"
import { logOf } from "../platform/Log.ts"
import { RateLimited, type DatabaseUnavailable } from "../contract/Problem.ts"

const log = logOf("xfchat/auth")

/** Whose password is tried, and from where. */
export interface Attempt {
  /** The id of an account, or what is tried of it; for a login that is nobody's, that login, folded. */
  readonly login: string
  /** The client's IP address; `undefined` where it is not known. */
  readonly address: string | undefined
}

/** Attempts without delay. After the last of them one waits a second, and after each further one twice as long. */
const freeAttempts = 5

const longestDelay = Duration.minutes(15)

/** Who did not try for this long starts anew. */
const memory = Duration.hours(1)

const sweepInterval = Duration.minutes(10)

/** Attempts that one statement of the sweep deletes. */
const mostSwept = 1_000

/** The database knows neither logins nor addresses, only the hash of both. */
const keyOf = ({ address = "", login }: Attempt) =>
  createHash("sha256")
    .update(JSON.stringify([login, sourceOf(address)]))
    .digest()

/**
 * Slows down the guessing of passwords: for an account, however it is spelled, and an address together, so that nobody is kept from their account by
 * what others try elsewhere, and never for longer than {@link longestDelay}. An account that is not there is treated like
 * one that is.
 */
export class LoginAttempts extends Context.Service<
  LoginAttempts,
  {
    /**
     * Counts an attempt before the password is looked at, as one that failed: many at once are no more than one after
     * the other. While a delay lasts, nothing is looked at nor counted.
     */
    readonly begin: (attempt: Attempt) => Effect.Effect<void, RateLimited | DatabaseUnavailable>
    /** The password was right: all is forgotten. */
    readonly succeed: (attempt: Attempt) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("xfchat/auth/LoginAttempts") {
  static readonly layer = Layer.effect(
    LoginAttempts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const longest = Duration.toSeconds(longestDelay)
      const remembered = Duration.toSeconds(memory)

      // By the primary key. What another attempt has blocked since this statement began is not seen by its last part: it
      // waits a second then; and the wait is from the clock's now, since from that of who began before it would be too long.
      // What is not blocked is not so until now, which may be later than the now of who began before.
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

      // By login_attempts_forgotten_at_idx. What another process sweeps at the same time is left to it.
      const sweep = sql`
        DELETE FROM login_attempts WHERE key = ANY(ARRAY(
          SELECT key FROM login_attempts WHERE forgotten_at < now() LIMIT ${mostSwept} FOR UPDATE SKIP LOCKED))
        RETURNING forgotten_at`.pipe(
        // In statements that are short, however many are forgotten.
        Effect.repeat({ while: (swept) => swept.length === mostSwept }),
        catchDatabaseErrors,
        Effect.catchTag("DatabaseUnavailable", () => log.warning("The sweep of login attempts is delayed"))
      )
      yield* sweep.pipe(Effect.repeat(Schedule.spaced(sweepInterval)), Effect.forkScoped)

      return LoginAttempts.of({ begin, succeed })
    })
  )
}
