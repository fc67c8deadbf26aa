import { assert, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { Position } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { Hub } from "../../src/messages/Hub.ts"
import { signedIn, TestServices } from "../../src/testing/index.ts"

layer(TestServices)("The hub", (it) => {
  it.effect("goes on with other logs while one cannot be read, however often it is tried", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const hub = yield* Hub
      const ada = yield* signedIn()
      const follow = Effect.gen(function* () {
        const { id } = yield* (yield* Conversations).create(ada.id, { participantIds: [] })
        const topic = yield* hub.follow(id)
        yield* topic.readTo(Position.make(1))
        return { id, topic }
      })
      const broken = yield* follow
      const sound = yield* follow
      // As if another process posted it, and its hint got lost.
      const post = (id: string, place: number, type: string) => sql`
        WITH posted AS (UPDATE conversations SET head = ${place} WHERE id = ${id})
        INSERT INTO chat_messages (conversation_id, id, content, message_type, seq, version)
        VALUES (${id}, ${randomUUID()}, 'no JSON', ${type}, ${place}, ${place})`
      yield* post(broken.id, 2, "image")
      for (const place of [2, 3]) {
        yield* post(sound.id, place, "text")
        const isPast = yield* Deferred.make<void>()
        yield* sound.topic.listen({ wake: () => Deferred.doneUnsafe(isPast, Effect.void) })
        yield* TestClock.adjust("5 seconds")
        yield* Deferred.await(isPast)
      }
      assert.strictEqual((yield* sound.topic.after(Position.make(1))).length, 2)
    })
  )
})
