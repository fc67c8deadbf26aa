// Signs up two people, and one writes to the other. Effect derives the client from the contract. In this project's folder:
//
//   XFCHAT_URL=http://localhost:3000 npx node --conditions=xfchat-source examples/client.ts
//
// In a project that has installed the package, leave out `--conditions`.

import { Console, Effect, Redacted } from "effect"
import { FetchHttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import { Api, Authorization, MessageId } from "xfchat/contract"

const baseUrl = process.env["XFCHAT_URL"] ?? "http://localhost:3000"

const clientOf = (token: string) =>
  HttpApiClient.make(Api, { baseUrl }).pipe(
    Effect.provide(
      HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
        next(HttpClientRequest.bearerToken(request, token))
      )
    )
  )

const signUp = Effect.fnUntraced(function* (username: string) {
  const client = yield* clientOf("")
  const payload = {
    username,
    email: `${username}@example.com`,
    password: Redacted.make("correct horse", { label: "password" })
  }
  const { token, user } = yield* client.auth.signup({ payload })
  return { id: user.id, client: yield* clientOf(Redacted.value(token)) }
})

const program = Effect.gen(function* () {
  const suffix = crypto.randomUUID().slice(0, 8)
  const [ada, grace] = [yield* signUp(`ada_${suffix}`), yield* signUp(`grace_${suffix}`)]
  const { id } = yield* ada.client.conversations.direct({ params: { userId: grace.id } })
  const message = yield* ada.client.messages.send({
    params: { id, messageId: MessageId.make(crypto.randomUUID()) },
    payload: { content: "Hello, Grace", messageType: "text" }
  })
  yield* Console.log(`Message ${message.seq} of conversation ${id}`)
})

await Effect.runPromise(program.pipe(Effect.provide(FetchHttpClient.layer)))
