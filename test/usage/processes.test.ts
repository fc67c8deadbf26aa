import { assert, describe, it } from "@effect/vitest"
import { Array as Arrays, Effect, Fiber, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { TestDatabase } from "../../src/testing/index.ts"
import { Person, twoPeople } from "../../src/conformance/Client.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { startServer } from "../serverProcess.ts"

/** Each person's messages and their bytes: as counted, and as stored. */
const tallies = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ counted: number; sent: number; countedBytes: number; sentBytes: number }>`
    SELECT coalesce(u.messages, 0)::int AS counted, m.messages::int AS sent,
      coalesce(u.bytes, 0)::int AS "countedBytes", m.bytes::int AS "sentBytes"
    FROM (
      SELECT sender_id, count(*) AS messages, sum(octet_length(content)) AS bytes
      FROM chat_messages WHERE sender_id IS NOT NULL GROUP BY sender_id
    ) m
    LEFT JOIN (
      SELECT user_id, sum(count) FILTER (WHERE metric_type = 'messages_sent') AS messages,
        sum(count) FILTER (WHERE metric_type = 'content_bytes') AS bytes
      FROM usage_tracking GROUP BY user_id
    ) u ON u.user_id = m.sender_id`
})

/** Sends messages, each of them twice, until nobody answers any more. */
const sendUntilTheEnd = (person: Person, messages: string) =>
  Effect.promise(async () => {
    for (;;) {
      const path = `${messages}/${randomUUID()}`
      const json = { content: "ä".repeat(Math.ceil(Math.random() * 100)) }
      try {
        await Promise.all([person.put(path, json), person.put(path, json)])
      } catch {
        return
      }
    }
  })

const everySoOften = Schedule.spaced("50 millis")

/** Two people at one server, known to the other one, too. */
const world = Effect.gen(function* () {
  const { url } = yield* TestDatabase
  const [one, other] = yield* Effect.all([startServer("node", url), startServer("deno", url)], { concurrency: 2 })
  const { ada, grace, messages } = yield* Effect.promise(() => twoPeople({ url: one.baseUrl }))
  const at = (server: typeof one, { token, user }: Person) =>
    new Person({ url: server.baseUrl }, { token: token ?? "", user, expiresAt: "" })
  const senders = [ada, grace, at(other, ada), at(other, grace)]
  return { one, other, ada, messages, senders }
})

describe("The counts of messages", { timeout: 60_000 }, () => {
  it.live("agree with the messages when two processes stop under load", () =>
    Effect.gen(function* () {
      const { ada, messages, one, other, senders } = yield* world
      yield* Effect.promise(() => subscribe(ada, messages))
      const traffic = yield* Effect.forkChild(
        Effect.forEach(Arrays.replicate(senders, 4).flat(), (person) => sendUntilTheEnd(person, messages), {
          concurrency: "unbounded"
        })
      )
      const hundreds = Effect.map(tallies, (tallies) => tallies.length === 2 && tallies.every(({ sent }) => sent > 100))
      yield* Effect.repeat(hundreds, { until: (enough) => enough, schedule: everySoOften })
      for (const { kill } of [one, other]) yield* kill("SIGTERM")
      assert.deepStrictEqual([yield* one.exit, yield* other.exit], [0, 0])
      yield* Fiber.join(traffic)
      for (const { counted, countedBytes, sent, sentBytes } of yield* tallies) {
        assert.deepStrictEqual([counted, countedBytes], [sent, sentBytes])
      }
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("lose only the last moments when a process is killed", () =>
    Effect.gen(function* () {
      const { messages, one, senders } = yield* world
      const [ada] = senders
      assert(ada !== undefined)
      for (let n = 0; n < 20; n++)
        yield* Effect.promise(() => ada.put(`${messages}/${randomUUID()}`, { content: "hi" }))
      yield* Effect.repeat(tallies, { until: ([ada]) => ada?.counted === 20, schedule: everySoOften })
      const traffic = yield* Effect.forkChild(sendUntilTheEnd(ada, messages))
      yield* Effect.repeat(tallies, { until: ([ada]) => (ada?.sent ?? 0) > 30, schedule: everySoOften })
      yield* one.kill("SIGKILL")
      yield* one.exit
      yield* Fiber.join(traffic)
      const [tally] = yield* tallies
      assert(tally !== undefined)
      assert.isAtLeast(tally.counted, 20)
      assert.isAtMost(tally.counted, tally.sent)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
