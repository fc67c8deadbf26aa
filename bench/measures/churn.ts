import { Effect } from "effect"
import { progress, type Finding, type Measure } from "../Measure.ts"
import { makeConversations, settle, type Conversations } from "../Population.ts"
import { residentBytes } from "../ProcessUsage.ts"
import { makeDatabase, startSubject } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
import type { Churning } from "../workers/churners.ts"
import type { Subscribing } from "../workers/subscribers.ts"

const clients = 100

/**
 * Memory after minutes of connects, sends and disconnects, and after many streams were reset at once. It is read on both
 * runtimes, each time while no client is connected.
 */
export const churn: Measure = Effect.fn("measure churn")(function* (postgres, { minutes, profile, quick }) {
  const users = quick ? 1_000 : 5_000
  const conversations: Conversations = { first: 1, count: users / 2, participants: 2, users }
  const [first, rest] = quick ? [10, 20] : [60, (minutes - 1) * 60]

  const findings = Effect.fnUntraced(function* (runtime: "node" | "deno") {
    const database = yield* makeDatabase(postgres, `bench_churn_${runtime}`, users)
    yield* makeConversations(database.sql, conversations)
    yield* settle(database.sql)
    const subject = yield* startSubject(database, { profile, runtime })
    const target = { port: subject.port, secret: database.secret, conversations }

    const megabytes = Effect.gen(function* () {
      // A conversation's log stays in memory for ten seconds after its last reader has left.
      yield* Effect.sleep("12 seconds")
      yield* Effect.repeat(Effect.andThen(subject.collectGarbage, Effect.sleep("500 millis")), { times: 3 })
      return residentBytes(subject.pid) / 1024 / 1024
    })

    const churners = yield* startWorker<Churning>("churners")
    const churnFor = Effect.fnUntraced(function* (seconds: number) {
      const { sends, streams, unavailable } = yield* churners.call("churn", { ...target, clients, seconds })
      const after = yield* megabytes
      const refused = unavailable === 0 ? "" : `, ${unavailable} times 503`
      yield* progress(
        `${runtime}, ${seconds} s: ${streams} streams, ${sends} sends${refused}, ${after.toFixed(1)} MB after`
      )
      return after
    })
    const early = yield* churnFor(first)
    const late = yield* churnFor(rest)

    const subscribers = yield* startWorker<Subscribing>("subscribers")
    const cut = Effect.gen(function* () {
      yield* subscribers.call("open", target)
      yield* subscribers.call("reset", { port: subject.port })
      const after = yield* megabytes
      yield* progress(`${runtime}: ${users} streams cut, ${after.toFixed(1)} MB after`)
      return after
    })
    const once = yield* cut
    const twice = yield* cut
    return [
      {
        what: `memory after ${Math.round((first + rest) / 6) / 10} minutes of churn, ${runtime}`,
        unit: "MB",
        against: `after ${first} s`,
        rounds: [{ xfchat: late, against: early }],
        target: { bound: "at most", value: 1.1 }
      },
      {
        what: `memory after ${users.toLocaleString("en")} streams were cut again, ${runtime}`,
        unit: "MB",
        against: "after the first time",
        rounds: [{ xfchat: twice, against: once }],
        target: { bound: "at most", value: 1.1 }
      }
    ] satisfies ReadonlyArray<Finding>
  }, Effect.scoped)

  return [...(yield* findings("node")), ...(yield* findings("deno"))]
})
