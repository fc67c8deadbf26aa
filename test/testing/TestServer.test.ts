import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { ConversationId } from "../../src/contract/Conversation.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { clientOf, signedIn, TestDatabase, TestServer } from "../../src/testing/index.ts"

for (const [name, server] of [
  ["without a socket", TestServer.layer],
  ["over a socket", TestServer.layerSocket]
] as const) {
  layer(server, { excludeTestServices: true })(`a client ${name}`, (it) => {
    it.effect("sends a message that the other person reads", () =>
      Effect.gen(function* () {
        const [ada, grace] = [yield* signedIn(), yield* signedIn()]
        const [asAda, asGrace] = [yield* clientOf(ada), yield* clientOf(grace)]
        const { id } = yield* asAda.conversations.direct({ params: { userId: grace.id } })
        const sent = yield* asAda.messages.send({
          params: { id, messageId: MessageId.make(randomUUID()) },
          payload: { content: "Hello, Grace", messageType: "text" }
        })
        const { body, headers } = yield* asGrace.messages.page({ params: { id }, query: {} })
        assert.deepStrictEqual(body.messages, [sent])
        assert.strictEqual(headers.version, '"1"')
      })
    )

    it.effect("gets the typed error of the contract", () =>
      Effect.gen(function* () {
        const client = yield* clientOf(yield* signedIn())
        const id = ConversationId.make(randomUUID())
        assert.strictEqual((yield* Effect.flip(client.conversations.get({ params: { id } })))._tag, "NotFound")
        const nobody = yield* clientOf()
        assert.strictEqual((yield* Effect.flip(nobody.auth.me()))._tag, "Unauthorized")
      })
    )
  })
}

for (const name of ["one", "another"]) {
  layer(TestDatabase.layer)(`a database of its own, ${name}`, (it) => {
    it.effect("is migrated and empty", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`SELECT id FROM users`, [])
        yield* sql`INSERT INTO users (username, email, password_hash) VALUES ('only_here', 'only@example.com', '')`
      })
    )
  })
}
