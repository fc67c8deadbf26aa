// Creates two people, their conversation and a message with XFChat's services, without HTTP and without a server. In this
// project's folder:
//
//   DATABASE_URL=postgresql://… npx node --conditions=xfchat-source examples/seed.ts
//
// In a project that has installed the package, leave out `--conditions`.

import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { Accounts, Conversations, Database, MessageId, Messages, ServicesLive } from "xfchat"

const program = Effect.gen(function* () {
  const accounts = yield* Accounts
  const conversations = yield* Conversations
  const messages = yield* Messages

  const password = Redacted.make("correct horse")
  const ada = yield* accounts.create({ username: "ada", email: "ada@example.com", password })
  const grace = yield* accounts.create({ username: "grace", email: "grace@example.com", password })
  const { conversation } = yield* conversations.direct(ada.id, grace.id)
  const { message } = yield* messages.send(ada.id, conversation.id, MessageId.make(randomUUID()), {
    content: "Hello, Grace",
    messageType: "text"
  })
  yield* Console.log(`Message ${message.seq} of conversation ${conversation.id}`)
})

program.pipe(Effect.provide(ServicesLive.pipe(Layer.provide(Database.layer))), NodeRuntime.runMain)
