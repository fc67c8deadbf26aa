import type { Redacted } from "effect"
import { Console, Data, Duration, Effect, Layer, Logger, Option, Result } from "effect"
import { Command } from "effect/cli"
import { Configuration, checkConfiguration } from "../platform/Configuration.ts"
import * as Database from "../database/Database.ts"
import { parseDatabaseUrl } from "../database/DatabaseUrl.ts"
import { failureLine } from "../process/FailureLine.ts"
import { connectToRedis, parseRedisUrl, reasonOf } from "../platform/RedisConnection.ts"
import { explainErrors } from "./CommandDatabase.ts"
import { databaseChecks, fail, type Finding, ok } from "./DatabaseChecks.ts"

/** At least one check failed. Each has printed what to do. */
export class ChecksFailed extends Data.TaggedError("ChecksFailed")<{ readonly count: number }> {
  override get message() {
    return this.count === 1
      ? "1 check failed: a server would not start here, or not work well."
      : `${this.count} checks failed: a server would not start here, or not work well.`
  }
}

const timeout = Duration.seconds(5)

const redis = (url: Redacted.Redacted): Effect.Effect<Finding> =>
  Effect.gen(function* () {
    const connection = yield* connectToRedis(yield* Effect.fromResult(parseRedisUrl(url)))
    yield* connection.send("PING")
    return ok("it answers")
  }).pipe(
    Effect.scoped,
    Effect.timeout(timeout),
    Effect.catchTags({
      RedisUrlMalformed: ({ message }) => Effect.succeed(fail(message)),
      TimeoutError: () => Effect.succeed(fail(`no answer within ${Duration.format(timeout)}: check REDIS_URL`)),
      RedisError: ({ cause }) =>
        Effect.succeed(fail(`${reasonOf(cause)}: check that it runs, and that REDIS_URL is right`))
    })
  )

const examine = Effect.gen(function* () {
  let failed = 0
  const report = (what: string, { level, text }: Finding) => {
    if (level === "fail") failed += 1
    return Console.log(`${level.padEnd(4)}  ${what.padEnd(18)}  ${text}`)
  }

  const configuration = yield* Effect.result(checkConfiguration)
  if (Result.isFailure(configuration)) {
    yield* report("configuration", fail(`${failureLine(configuration.failure)} \`xfchat config\` shows all variables`))
    return failed
  }
  yield* report("configuration", ok("every environment variable is valid"))

  const redisUrl = yield* Configuration.redisUrl
  const database = yield* Effect.result(Layer.build(Database.layerConnected))
  if (Result.isFailure(database)) yield* report("database", fail(failureLine(database.failure)))
  else {
    const { maxConnections, url } = yield* Database.configuredOptions
    // Each process has one more, which listens.
    const connectionsWanted = (yield* Configuration.serverProcesses) * (maxConnections + 1)
    const { address, database: name, host, username } = yield* parseDatabaseUrl(url)
    yield* report("database", ok(`connected to ${name} at ${address} as ${username}`))
    for (const [what, check] of Object.entries(databaseChecks(host, connectionsWanted, Option.isSome(redisUrl)))) {
      const finding = yield* Effect.result(explainErrors(Effect.provide(check, database.success)))
      yield* report(
        what,
        Result.match(finding, { onFailure: (error) => fail(failureLine(error)), onSuccess: (found) => found })
      )
    }
  }
  if (Option.isSome(redisUrl)) yield* report("Redis", yield* redis(redisUrl.value))
  return failed
}).pipe(Effect.scoped)

export const doctor = Command.make("doctor", {}, () =>
  Effect.gen(function* () {
    const failed = yield* examine
    if (failed > 0) return yield* new ChecksFailed({ count: failed })
  })
).pipe(
  Command.provide(Layer.succeed(Logger.LogToStderr, true)),
  Command.withDescription(
    "Check the configuration, the database and Redis, without serving and without changing anything. Each line is ok, warn or fail, and says what to do. Exit code 1 when something fails."
  )
)
