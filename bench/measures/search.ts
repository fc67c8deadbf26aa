import { Console, Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { median, progress, quantile, type Finding, type Measure } from "../Measure.ts"
import { conversationId, makeConversations, makeMessages, settle, tokenOf, type Conversations } from "../Population.ts"
import { makeDatabase, startSubject } from "../Subject.ts"

/** Gives the texts of a benchmark's messages words of known frequency. */
const addWords = (sql: SqlClient.SqlClient, first: number, last: number) => sql`
  UPDATE chat_messages SET content = content
    || CASE WHEN seq % 2 = 0 THEN ' common' ELSE '' END
    || CASE WHEN seq % 100 = 0 THEN ' hundredth' ELSE '' END
    || CASE WHEN seq = 500 AND conversation_id IN (
        ${conversationId(first)}::uuid, ${conversationId(last)}::uuid) THEN ' rare' ELSE '' END`

/** Waits until the server has indexed all messages, and returns the time that its log reports. */
const awaitIndex = (sql: SqlClient.SqlClient) => {
  const begun = performance.now()
  return sql<{ behind: boolean }>`
    SELECT EXISTS (SELECT FROM conversations c LEFT JOIN search_progress s ON s.conversation_id = c.id
      WHERE coalesce(s.indexed_to, 0) < c.head OR s.indexed_from > 0) AS behind`.pipe(
    Effect.delay("1 second"),
    Effect.repeat({ while: ([row]) => row?.behind === true }),
    Effect.map(() => (performance.now() - begun) / 1_000)
  )
}

/** Finding words among a million messages: in one conversation that has them all, and in a thousand of one person. */
export const search: Measure = Effect.fn("measure search")(function* (postgres, { profile, quick }) {
  const total = quick ? 100_000 : 1_000_000
  const findings: Array<Finding> = []
  for (const count of [1, 1_000]) {
    const conversations: Conversations = { first: 1, count, participants: 2, users: 2 }
    const database = yield* makeDatabase(postgres, `bench_search_${count}`, conversations.users)
    yield* makeConversations(database.sql, conversations)
    yield* progress(`making ${total.toLocaleString("en")} messages in ${count} conversations`)
    yield* makeMessages(database.sql, conversations, total / count)
    yield* addWords(database.sql, 1, count)
    yield* settle(database.sql)
    const subject = yield* startSubject(database, { profile })
    const seconds = yield* awaitIndex(database.sql)
    yield* Console.error(`  indexed in ${seconds.toFixed(0)} s, next to the server`)
    yield* settle(database.sql)
    for (const word of ["common", "hundredth", "rare", '"hundredth rare"', "absent"]) {
      const ask = Effect.promise(async () => {
        const begun = performance.now()
        const response = await fetch(
          `http://127.0.0.1:${subject.port}/api/messages/search?q=${encodeURIComponent(word)}`,
          { headers: { authorization: `Bearer ${tokenOf(database.secret, 1)}` } }
        )
        const answer = await response.text()
        if (response.status !== 200) throw new Error(`${response.status} ${answer}`)
        return performance.now() - begun
      })
      yield* Effect.replicateEffect(ask, 10)
      const times = yield* Effect.replicateEffect(ask, quick ? 10 : 40)
      yield* progress(`${word}: median ${median(times).toFixed(1)} ms, p90 ${quantile(times, 0.9).toFixed(1)} ms`)
      findings.push({
        what: `search for ${word}, ${total.toLocaleString("en")} messages in ${count.toLocaleString("en")}`,
        unit: "ms",
        rounds: times.map((xfchat) => ({ xfchat })),
        target: { bound: "at most", value: 50 }
      })
    }
    findings.push({
      what: `indexing one message, in ${count.toLocaleString("en")}`,
      unit: "us",
      rounds: [{ xfchat: (seconds * 1e6) / total }],
      target: undefined
    })
  }
  return findings
})
