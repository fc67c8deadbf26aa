import { Effect } from "effect"
import { progress, type Finding, type Measure, type Round } from "../Measure.ts"
import { makeConversations, settle } from "../Population.ts"
import { cpuSeconds } from "../ProcessUsage.ts"
import { makeDatabase, startSubject } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
import type { BareServer } from "../workers/bareServer.ts"
import type { Subscribing } from "../workers/subscribers.ts"

const perSecond = 20

/** One message to many subscribers, again and again. */
export const fanout: Measure = Effect.fn("measure fan-out")(function* (postgres, { profile, quick }) {
  const participants = 500
  const conversations = { first: 1, count: 1, participants, users: participants }
  const database = yield* makeDatabase(postgres, "bench_fanout", participants)
  yield* makeConversations(database.sql, conversations)
  yield* settle(database.sql)
  const subject = yield* startSubject(database, { profile })

  const xfchat = { port: subject.port, secret: database.secret, conversations }
  const ours = yield* startWorker<Subscribing>("subscribers")
  const frame = yield* ours.call("sample", { ...xfchat, conversation: 1 })
  yield* ours.call("open", xfchat)

  const bareServer = yield* startWorker<BareServer>("bareServer")
  const bare = { ...xfchat, port: yield* bareServer.call("listen", frame) }
  const others = yield* startWorker<Subscribing>("subscribers")
  yield* others.call("open", bare)

  const fanOut = Effect.fnUntraced(function* (
    worker: typeof ours,
    pid: number,
    target: typeof xfchat,
    seconds: number,
    rate = perSecond
  ) {
    const before = cpuSeconds(pid)
    const result = yield* worker.call("fanOut", {
      ...target,
      conversation: 1,
      messages: rate * seconds,
      perSecond: rate
    })
    return { ...result, cpu: ((cpuSeconds(pid) - before) * 1e6) / result.deliveries }
  })

  // At the measured rate V8 would take minutes to compile the servers' hot code.
  const warmUp = quick ? 2 : 12
  yield* fanOut(ours, subject.pid, xfchat, warmUp, 3 * perSecond)
  yield* fanOut(others, bareServer.pid, bare, warmUp, 3 * perSecond)
  const cpu: Array<Round> = []
  const p50: Array<Round> = []
  const p99: Array<Round> = []
  for (let round = 1; round <= (quick ? 2 : 5); round++) {
    const a = yield* fanOut(ours, subject.pid, xfchat, quick ? 3 : 10)
    const b = yield* fanOut(others, bareServer.pid, bare, quick ? 3 : 10)
    yield* progress(
      `round ${round}: XFChat ${a.cpu.toFixed(2)} us a delivery, p50 ${a.p50.toFixed(1)}, p99 ${a.p99.toFixed(1)} ms; ` +
        `bare ${b.cpu.toFixed(2)} us, p50 ${b.p50.toFixed(1)}, p99 ${b.p99.toFixed(1)} ms`
    )
    cpu.push({ xfchat: a.cpu, against: b.cpu })
    p50.push({ xfchat: a.p50, against: b.p50 })
    p99.push({ xfchat: a.p99, against: b.p99 })
  }
  const against = "bare node:http"
  return [
    {
      what: `CPU for a delivery, ${participants} subscribers`,
      unit: "us",
      against,
      rounds: cpu,
      target: { bound: "at most", value: 1.5 }
    },
    { what: "p99 from send to last receipt", unit: "ms", against, rounds: p99, target: { bound: "at most", value: 2 } },
    { what: "p50 from send to last receipt", unit: "ms", against, rounds: p50, target: undefined }
  ] satisfies ReadonlyArray<Finding>
})
