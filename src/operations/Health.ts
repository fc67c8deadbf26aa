import { Context, Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import * as Migrator from "../database/Migrator.ts"
import { ChangeBus } from "../changes/ChangeBus.ts"
import { Draining } from "../live/Draining.ts"
import { NotReady, Readiness, type Checks } from "../contract/Readiness.ts"

/** Probes want an answer soon. */
const answerTime = Duration.seconds(2)

/** The database is asked at most this often, however many probes there are. */
const freshness = Duration.seconds(1)

/** Twice the interval of the sweeps that make up for lost hints. */
const mostDelay = Duration.seconds(10)

/** Whether this server is ready for requests, for load balancers. */
export class Health extends Context.Service<Health, { readonly ready: Effect.Effect<Readiness, NotReady> }>()(
  "xfchat/operations/Health"
) {
  static readonly layer = Layer.effect(
    Health,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bus = yield* ChangeBus
      const draining = yield* Draining

      const migrations = Effect.map(Migrator.status, (known) => {
        const wrong = known.filter(({ state }) => state === "pending" || state === "changed")
        return wrong.length === 0 ? "ok" : wrong.map(({ id, name, state }) => `${id}_${name} is ${state}`).join(", ")
      }).pipe(
        Effect.catch((error) => Effect.succeed(error.message)),
        Effect.provideService(SqlClient.SqlClient, sql)
      )

      const stored = yield* Effect.gen(function* () {
        yield* sql`SELECT`
        return { database: "ok", migrations: yield* migrations }
      }).pipe(
        catchDatabaseErrors,
        Effect.timeout(answerTime),
        Effect.catchTags({
          DatabaseUnavailable: () => Effect.succeed("It cannot be reached."),
          TimeoutError: () => Effect.succeed(`No answer within ${Duration.format(answerTime)}.`)
        }),
        Effect.map((found) => (typeof found === "string" ? { database: found, migrations: "Unknown." } : found)),
        Effect.cachedWithTTL(freshness)
      )

      const ready = Effect.gen(function* () {
        const delay = yield* bus.delay
        const checks: Checks = {
          ...(yield* stored),
          changes: Duration.isLessThan(delay, mostDelay)
            ? "ok"
            : `Other servers have learned of changes only by their sweeps for ${Math.round(Duration.toSeconds(delay))} s.`,
          serving: (yield* draining.hasBegun) ? "The server is about to stop." : "ok"
        }
        return Object.values(checks).every((check) => check === "ok")
          ? new Readiness({ status: "ready", checks })
          : yield* new NotReady({ checks })
      }).pipe(Effect.withSpan("Health.ready"))

      return Health.of({ ready })
    })
  )
}
