import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { MessageId } from "xfchat"
import { clientOf, signedIn, TestServer } from "xfchat/testing"

// The whole server, without a socket, on a database of its own.
layer(TestServer.layer)("two people", (it) => {
  it.effect("write to each other", () =>
    Effect.gen(function* () {
      const [ada, grace] = [yield* signedIn("ada"), yield* signedIn("grace")]
      const [asAda, asGrace] = [yield* clientOf(ada), yield* clientOf(grace)]
      const { id } = yield* asAda.conversations.direct({ params: { userId: grace.id } })
      yield* asAda.messages.send({
        params: { id, messageId: MessageId.make(randomUUID()) },
        payload: { content: "Hello, Grace", messageType: "text" }
      })
      const { body } = yield* asGrace.messages.page({ params: { id }, query: {} })
      assert.deepStrictEqual(
        body.messages.map(({ content }) => content),
        ["Hello, Grace"]
      )
    })
  )
})
