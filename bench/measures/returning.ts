import { Effect } from "effect"
import { progress, type Finding, type Measure, type Round } from "../Measure.ts"
import { makeConversations, makeMessages, settle } from "../Population.ts"
import { logStatements, makeDatabase, startSubject, statementsOf } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
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

  const comeBack = Effect.gen(function* () {
    // Clients that were away for longer than the last use of a session is kept to.
    yield* database.sql`UPDATE sessions SET last_used_at = now() - interval '1 hour'`
    const subject = yield* startSubject(database, { profile })
    const subscribers = yield* startWorker<Subscribing>("subscribers")
    const target = { port: subject.port, secret: database.secret, conversations }
    return yield* statementsOf(postgres, subscribers.call("comeBack", { ...target, from: 9 * behind, behind }))
  }).pipe(Effect.scoped)

  const times: Array<Round> = []
  const reads: Array<Round> = []
  const others: Array<Round> = []
  for (let round = 1; round <= (quick ? 1 : 3); round++) {
    const [milliseconds, statements] = yield* comeBack
    const readingMessages = statements.filter((statement) => statement.includes("chat_messages")).length
    yield* progress(
      `round ${round}: ${milliseconds.toFixed(0)} ms, ${statements.length} statements, of which ${readingMessages} read messages`
    )
    times.push({ xfchat: milliseconds / 1000 })
    reads.push({ xfchat: readingMessages })
    others.push({ xfchat: (statements.length - readingMessages) / participants })
  }
  return [
    {
      what: `${participants} return at once, ${behind} behind: all caught up`,
      unit: "s",
      rounds: times,
      target: { bound: "at most", value: 3 }
    },
    {
      what: "statements that read the messages for all of them",
      unit: "",
      rounds: reads,
      target: { bound: "at most", value: behind }
    },
    { what: "other statements for each of them", unit: "", rounds: others, target: undefined }
  ] satisfies ReadonlyArray<Finding>
})
