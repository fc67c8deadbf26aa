import { Effect } from "effect"
import { progress, type Finding, type Measure, type Round } from "../Measure.ts"
import { baseline } from "../Pgbench.ts"
import { makeConversations, makeMessages, settle, type Conversations } from "../Population.ts"
import { cpuSeconds } from "../ProcessUsage.ts"
import { makeDatabase, startSubject } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
import type { Senders } from "../workers/senders.ts"

const connections = 64

const users = 1_000

interface Into {
  readonly name: string
  readonly conversations: Conversations
  /** Messages that each conversation already has. */
  readonly history: number
  /** The target: at least this many times the rate of pgbench. */
  readonly target: number
}

/** Durable sends, authenticated, each connection sending its next message when the one before is acknowledged. */
const sendsInto = ({ conversations, history, name, target }: Into): Measure =>
  Effect.fn("measure sends")(function* (postgres, { profile, quick }) {
    const database = yield* makeDatabase(postgres, `bench_sends_${conversations.count}`, users)
    yield* makeConversations(database.sql, conversations)
    // PostgreSQL plans a full scan of an empty table, and keeps that plan for a minute.
    yield* makeMessages(database.sql, conversations, history)
    yield* settle(database.sql)
    const subject = yield* startSubject(database, { profile })
    const senders = yield* startWorker<Senders>("senders")
    const pgbench = baseline(database.url, conversations)
    const load = { port: subject.port, secret: database.secret, conversations, connections }
    // V8 optimizes the server's code for some ten thousand requests.
    yield* senders.call("send", { ...load, seconds: quick ? 3 : 15 })

    const seconds = quick ? 3 : 8
    const rates: Array<Round> = []
    const latencies: Array<Round> = []
    const cpu: Array<Round> = []
    for (let round = 1; round <= (quick ? 2 : 5); round++) {
      const before = cpuSeconds(subject.pid)
      const { p50, p99, rate } = yield* senders.call("send", { ...load, seconds })
      const used = ((cpuSeconds(subject.pid) - before) * 1e6) / (rate * seconds)
      const against = yield* pgbench.rate(seconds)
      yield* progress(
        `round ${round}: XFChat ${rate.toFixed(0)}/s (p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms, ` +
          `server CPU ${used.toFixed(0)} us a send), ${pgbench.name} ${against.toFixed(0)}/s`
      )
      rates.push({ xfchat: rate, against })
      latencies.push({ xfchat: p99 })
      cpu.push({ xfchat: used })
    }
    return [
      {
        what: `sends into ${name}`,
        unit: "/s",
        against: pgbench.name,
        rounds: rates,
        target: { bound: "at least", value: target }
      },
      { what: "their p99", unit: "ms", rounds: latencies, target: undefined },
      { what: "server CPU for each", unit: "us", rounds: cpu, target: undefined }
    ] satisfies ReadonlyArray<Finding>
  })

/** Sends into many conversations. */
export const sends = sendsInto({
  name: "10,000 conversations",
  conversations: { first: 1, count: 10_000, participants: 2, users },
  history: 10,
  target: 1
})

/** Sends into one conversation, for whose row every single-row transaction has to wait. */
export const hot = sendsInto({
  name: "one conversation",
  conversations: { first: 1, count: 1, participants: connections, users },
  history: 100_000,
  target: 5
})
