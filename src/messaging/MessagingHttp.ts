import { Effect, Schema } from "effect"
import { HttpEffect, HttpServerResponse, type HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Api } from "../Api.ts"
import { CurrentSession } from "../auth/Session.ts"
import { formatVersion, type Version } from "../braid/Version.ts"
import { UnsupportedMediaType } from "../Problem.ts"
import { positionOf, readBraid, subscribe, versionAt } from "../streaming/SubscriptionHttp.ts"
import { Subscriptions } from "../streaming/Subscriptions.ts"
import { Conversation, type Position } from "./Conversation.ts"
import { Conversations } from "./Conversations.ts"
import { Message } from "./Message.ts"
import { Messages } from "./Messages.ts"
import { VersionNotFound } from "./MessagingApi.ts"

const defaultPageSize = 50

const encodeConversation = Schema.encodeSync(Conversation.json)
const encodeMessage = Schema.encodeSync(Message.json)

/** Part of a message, taken for a whole one, would silently replace it. */
const refusePartialWrite = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  "content-range" in headers || "patches" in headers
    ? Effect.fail(
        new UnsupportedMediaType({ detail: "A message is written whole: send no Content-Range and no Patches." })
      )
    : Effect.void

/** The position that a version stands for in a log that reaches `head`. A version it never had is named in the answer. */
const positionIn = Effect.fnUntraced(function* (
  head: Position,
  header: "Version" | "Parents",
  version: Version | undefined
) {
  if (version === undefined) return head
  const position = positionOf(version)
  if (position !== undefined && position <= head) return position
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, header, formatVersion(version)))
  )
  return yield* new VersionNotFound({ detail: `The ${header} of this request is no version of this conversation.` })
})

export const MessagingHttp = HttpApiBuilder.group(
  Api,
  "messaging",
  Effect.fn(function* (handlers) {
    const conversations = yield* Conversations
    const messages = yield* Messages
    const subscriptions = yield* Subscriptions

    return handlers.handleAll({
      direct: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        const { conversation, created } = yield* conversations.direct(userId, params.userId)
        return HttpServerResponse.jsonUnsafe(encodeConversation(conversation), { status: created ? 201 : 200 })
      }),

      conversation: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return yield* conversations.get(userId, params.id)
      }),

      messages: Effect.fnUntraced(function* ({ params, query, request }) {
        const { userId } = yield* CurrentSession
        const braid = yield* readBraid(request)
        if (braid.subscribe) return yield* subscribe(subscriptions, userId, params.id, braid)
        const head = yield* messages.head(userId, params.id)
        yield* positionIn(head, "Parents", braid.parents)
        const position = yield* positionIn(head, "Version", braid.version)
        const body = yield* messages.page(params.id, position, { limit: defaultPageSize, ...query })
        return HttpApiSchema.withHeaders({ body, headers: { version: versionAt(position) } })
      }),

      send: Effect.fnUntraced(function* ({ params, payload, request }) {
        const { userId } = yield* CurrentSession
        yield* readBraid(request)
        yield* refusePartialWrite(request)
        const { message, created } = yield* messages.send(userId, params.id, params.messageId, payload)
        return HttpServerResponse.jsonUnsafe(encodeMessage(message), {
          status: created ? 201 : 200,
          headers: { version: versionAt(message.version) }
        })
      }),

      message: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        const body = yield* messages.get(userId, params.id, params.messageId)
        return HttpApiSchema.withHeaders({ body, headers: { version: versionAt(body.version) } })
      })
    })
  })
)
