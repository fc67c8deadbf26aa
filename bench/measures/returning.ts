import { Effect } from "effect"
import { progress, type Finding, type Measure, type Round } from "../Measure.ts"
import { makeConversations, makeMessages, settle } from "../Population.ts"
import { logStatements, makeDatabase, startSubject, statementsOf } from "../Subject.ts"
import { cpuSeconds } from "../ProcessUsage.ts"
import { startWorker } from "../Worker.ts"
import type { BareServer } from "../workers/bareServer.ts"
import type { Subscribing } from "../workers/subscribers.ts"

const behind = 100

/** Many subscribers return at once to a server that has just started and has nothing in memory. */
export const returning: Measure = Effect.fn("measure returning subscribers")(function* (postgres, { profile, quick }) {
  const participants = quick ? 200 : 1_000
  const conversations = { first: 1, count: 1, participants, users: participants }
  const database = yield* makeDatabase(postgres, "bench_returning", participants)
  yield* makeConversations(database.sql, conversations)
  yield* makeMessages(database.sql, conversations, 10 * behind)
  yield* settle(database.sql)
  yield* logStatements(database, "bench_returning")

  const missing = { secret: database.secret, conversations, from: 9 * behind, behind }
  const comeBackTo = Effect.fnUntraced(function* (port: number, pid: number) {
    const subscribers = yield* startWorker<Subscribing>("subscribers")
    const before = cpuSeconds(pid)
    const milliseconds = yield* subscribers.call("comeBack", { ...missing, port })
    const cpu = (1_000 * (cpuSeconds(pid) - before)) / participants
    return { seconds: milliseconds / 1_000, cpu, bytes: yield* subscribers.call("missed", { ...missing, port }) }
  })

  const comeBack = Effect.gen(function* () {
    // Clients that were away for longer than the last use of a session is kept to.
    yield* database.sql`UPDATE sessions SET last_used_at = now() - interval '1 hour'`
    const subject = yield* startSubject(database, { profile })
    return yield* statementsOf(postgres, comeBackTo(subject.port, subject.pid))
  }).pipe(Effect.scoped)

  const comeBackToBare = Effect.fnUntraced(function* (bytes: string) {
    const bareServer = yield* startWorker<BareServer>("bareServer")
    yield* bareServer.call("greet", bytes)
    return yield* comeBackTo(yield* bareServer.call("listen", ""), bareServer.pid)
  }, Effect.scoped)

  const times: Array<Round> = []
  const cpu: Array<Round> = []
  const reads: Array<Round> = []
  const others: Array<Round> = []
  for (let round = 1; round <= (quick ? 1 : 3); round++) {
    const [ours, statements] = yield* comeBack
    const bare = yield* comeBackToBare(ours.bytes)
    const readingMessages = statements.filter((statement) => statement.includes("chat_messages")).length
    yield* progress(
      `round ${round}: ${ours.seconds.toFixed(2)} s, ${ours.cpu.toFixed(2)} ms each; bare ${bare.seconds.toFixed(2)} s, ` +
        `${bare.cpu.toFixed(2)} ms each; ${statements.length} statements, of which ${readingMessages} read messages`
    )
    times.push({ xfchat: ours.seconds, against: bare.seconds })
    cpu.push({ xfchat: ours.cpu, against: bare.cpu })
    reads.push({ xfchat: readingMessages })
    others.push({ xfchat: (statements.length - readingMessages) / participants })
  }
  const against = "bare node:http, the same bytes"
  return [
    {
      what: `${participants} return at once, ${behind} behind: all caught up`,
      unit: "s",
      against,
      rounds: times,
      target: { bound: "at most", value: 2 }
    },
    { what: "server CPU for each", unit: "ms", against, rounds: cpu, target: undefined },
    {
      what: "statements that read the messages for all of them",
      unit: "",
      rounds: reads,
      target: { bound: "at most", value: behind }
    },
    { what: "other statements for each of them", unit: "", rounds: others, target: { bound: "at most", value: 0.1 } }
  ] satisfies ReadonlyArray<Finding>
})
