import { Effect } from "effect"
import { progress, quantile, type Finding, type Measure, type Round } from "../Measure.ts"
import { baseline } from "../Pgbench.ts"
import { makeConversations, makeMessages, settle } from "../Population.ts"
import { makeDatabase, startSubject } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
import type { Senders } from "../workers/senders.ts"

const conversations = { first: 1, count: 1_000, participants: 2, users: 1_000 }

/** Few enough that each send has the server for itself. */
const perSecond = 50

/** Lone sends over one kept-alive connection: the time that a person waits who writes on a quiet server. */
export const latency: Measure = Effect.fn("measure latency")(function* (postgres, { profile, quick }) {
  const database = yield* makeDatabase(postgres, "bench_latency", conversations.users)
  yield* makeConversations(database.sql, conversations)
  yield* makeMessages(database.sql, conversations, 10)
  yield* settle(database.sql)
  const subject = yield* startSubject(database, { profile })
  const senders = yield* startWorker<Senders>("senders")
  const pgbench = baseline(database.url, conversations)
  const load = { port: subject.port, secret: database.secret, conversations, connections: 1 }
  // V8 compiles the server's code only after many requests.
  yield* senders.call("send", { ...load, seconds: quick ? 2 : 10 })

  const seconds = quick ? 2 : 6
  const p50s: Array<Round> = []
  const p99s: Array<Round> = []
  for (let round = 1; round <= (quick ? 2 : 5); round++) {
    const { p50, p99 } = yield* senders.call("send", { ...load, pause: 1_000 / perSecond, seconds })
    const times = yield* pgbench.latencies(seconds, perSecond)
    const against = { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
    yield* progress(
      `round ${round}: XFChat p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)} ms; ` +
        `${pgbench.name} p50 ${against.p50.toFixed(2)}, p99 ${against.p99.toFixed(2)} ms`
    )
    p50s.push({ xfchat: p50, against: against.p50 })
    p99s.push({ xfchat: p99, against: against.p99 })
  }
  const against = `${pgbench.name}, one client`
  return [
    { what: "a lone send, p50", unit: "ms", against, rounds: p50s, target: { bound: "at most", value: 2 } },
    { what: "its p99", unit: "ms", against, rounds: p99s, target: undefined }
  ] satisfies ReadonlyArray<Finding>
})
