import { Effect } from "effect"
import { maxLines } from "../../src/contract/MessageLines.ts"
import { progress, type Finding, type Measure, type Round } from "../Measure.ts"
import { makeConversations, makeMessages, settle } from "../Population.ts"
import { cpuSeconds } from "../ProcessUsage.ts"
import { makeDatabase, startSubject } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
import type { Senders } from "../workers/senders.ts"

const users = 1_000
const conversations = { first: 1, count: 10_000, participants: 2, users }

/** Many messages in one request, beside single ones: the server's processor time for each, by turns. */
export const many: Measure = Effect.fn("measure many")(function* (postgres, { profile, quick }) {
  const database = yield* makeDatabase(postgres, "bench_many", users)
  yield* makeConversations(database.sql, conversations)
  // PostgreSQL plans a full scan of an empty table, and keeps that plan for a minute.
  yield* makeMessages(database.sql, conversations, 10)
  yield* settle(database.sql)
  const subject = yield* startSubject(database, { profile })
  const senders = yield* startWorker<Senders>("senders")
  const load = { port: subject.port, secret: database.secret, conversations }
  const single = (seconds: number) => senders.call("send", { ...load, connections: 64, seconds })
  const together = (seconds: number) => senders.call("sendMany", { ...load, connections: 8, lines: maxLines, seconds })
  /** The rate of sends, and the microseconds of processor time for each. */
  const measure = Effect.fnUntraced(function* (send: typeof single | typeof together, seconds: number) {
    const before = cpuSeconds(subject.pid)
    const { rate } = yield* send(seconds)
    return { rate, cpu: ((cpuSeconds(subject.pid) - before) * 1e6) / (rate * seconds) }
  })
  // V8 optimizes the server's code for some ten thousand requests.
  yield* single(quick ? 3 : 15)
  yield* together(quick ? 3 : 10)

  const seconds = quick ? 3 : 8
  const cpu: Array<Round> = []
  const rates: Array<Round> = []
  for (let round = 1; round <= (quick ? 2 : 5); round++) {
    const [one, lines] = [yield* measure(single, seconds), yield* measure(together, seconds)]
    yield* progress(
      `round ${round}: ${lines.rate.toFixed(0)}/s at ${lines.cpu.toFixed(0)} us in requests of ${maxLines}, ` +
        `${one.rate.toFixed(0)}/s at ${one.cpu.toFixed(0)} us in single ones`
    )
    cpu.push({ xfchat: lines.cpu, against: one.cpu })
    rates.push({ xfchat: lines.rate, against: one.rate })
  }
  return [
    {
      what: `server CPU a message of ${maxLines} in a request`,
      unit: "us",
      against: "a single send",
      rounds: cpu,
      target: { bound: "at most", value: 0.25 }
    },
    { what: "their rate", unit: "/s", against: "single sends", rounds: rates, target: undefined }
  ] satisfies ReadonlyArray<Finding>
})
