import { Effect } from "effect"
import { HttpEffect, HttpServerResponse, type HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../Api.ts"
import { CurrentSession } from "../auth/Session.ts"
import { formatVersion, type Version } from "../braid/Version.ts"
import { Presence } from "../presence/Presence.ts"
import { defaultLimit } from "../Paging.ts"
import { UnsupportedMediaType } from "../Problem.ts"
import { readAsk, readBraid } from "../streaming/StreamHttp.ts"
import { positionOf, subscribe, versionAt } from "../streaming/SubscriptionHttp.ts"
import { Subscriptions } from "../streaming/Subscriptions.ts"
import type { Position } from "./Conversation.ts"
import { StaleVersion, toJson, type Message, type MessagePage } from "./Message.ts"
import { MessageChanges } from "./MessageChanges.ts"
import { Messages } from "./Messages.ts"
import { VersionNotFound } from "./MessagesApi.ts"

/** Part of a message, taken for a whole one, would silently replace it. */
const refusePartialWrite = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  "content-range" in headers || "patches" in headers
    ? Effect.fail(
        new UnsupportedMediaType({ detail: "A message is written whole: send no Content-Range and no Patches." })
      )
    : Effect.void

/** Fails, with the header in the answer, unless a version is one that a log at `head` has had (`isHeld`: has now). */
const requireVersion = Effect.fnUntraced(function* (
  head: Position,
  header: "Version" | "Parents",
  version: Version | undefined,
  isHeld: (position: Position) => boolean
) {
  if (version === undefined) return
  const position = positionOf(version)
  if (position !== undefined && position <= head && isHeld(position)) return
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, header, formatVersion(version)))
  )
  return yield* new VersionNotFound({ detail: `There is no such version: this conversation is at ${versionAt(head)}.` })
})

const answer = (body: Message | MessagePage, version: Position, status = 200) =>
  HttpServerResponse.text(toJson(body), {
    contentType: "application/json",
    status,
    headers: { version: versionAt(version) }
  })

const answerMessage = (message: Message, status = 200) => answer(message, message.version, status)

export const MessagesHttp = HttpApiBuilder.group(
  Api,
  "messages",
  Effect.fn(function* (handlers) {
    const messages = yield* Messages
    const changes = yield* MessageChanges
    const presence = yield* Presence
    const subscriptions = yield* Subscriptions

    return handlers.handleAll({
      page: Effect.fnUntraced(function* ({ params, query: { wait, ...query }, request }) {
        const session = yield* CurrentSession
        const braid = yield* readBraid(request)
        const after = query.after === undefined ? undefined : String(query.after)
        const ask = readAsk(request, braid, { wait, after })
        if (ask !== undefined) return yield* subscribe(subscriptions, session, params.id, ask)
        const view = yield* messages.view(session.userId, params.id)
        yield* requireVersion(view.head, "Parents", braid.parents, () => true)
        // Only the present is kept as a whole.
        yield* requireVersion(view.head, "Version", braid.version, (position) => position === view.head)
        const body = yield* messages.page(params.id, view, { limit: defaultLimit, ...query })
        return answer(body, view.head)
      }),

      send: Effect.fnUntraced(function* ({ params, payload, request }) {
        const { userId } = yield* CurrentSession
        const { parents } = yield* readBraid(request)
        yield* refusePartialWrite(request)
        const { message, created } = yield* parents === undefined || parents.length === 0
          ? messages.send(userId, params.id, params.messageId, payload)
          : Effect.gen(function* () {
              const expected = positionOf(parents)
              if (expected === undefined || typeof payload.content !== "string") {
                return yield* new StaleVersion({
                  detail: "Parents must be the version of the text that this replaces."
                })
              }
              const target = { conversationId: params.id, id: params.messageId }
              return { message: yield* changes.edit(userId, target, payload.content, expected), created: false }
            })
        if (created) yield* presence.stopTyping(userId, params.id)
        return answerMessage(message, created ? 201 : 200)
      }),

      get: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        return answerMessage(yield* messages.get(userId, params.id, params.messageId))
      }),

      edit: Effect.fnUntraced(function* ({ params, payload }) {
        const { userId } = yield* CurrentSession
        const target = { conversationId: params.id, id: params.messageId }
        return answerMessage(yield* changes.edit(userId, target, payload.content))
      }),

      erase: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        yield* changes.erase(userId, { conversationId: params.id, id: params.messageId })
      }),

      history: Effect.fnUntraced(function* ({ params, query: { after, limit = defaultLimit } }) {
        const { userId } = yield* CurrentSession
        const target = { conversationId: params.id, id: params.messageId }
        const { next, versions } = yield* changes.history(userId, target, limit, after)
        return { versions, after: next === null ? null : String(next) }
      }),

      react: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        yield* changes.react(userId, { conversationId: params.id, id: params.messageId }, params.emoji)
      }),

      unreact: Effect.fnUntraced(function* ({ params }) {
        const { userId } = yield* CurrentSession
        yield* changes.unreact(userId, { conversationId: params.id, id: params.messageId }, params.emoji)
      }),

      reactors: Effect.fnUntraced(function* ({ params, query: { after, limit = defaultLimit } }) {
        const { userId } = yield* CurrentSession
        const target = { conversationId: params.id, id: params.messageId }
        const { items, next } = yield* changes.reactors(userId, target, params.emoji, limit, after)
        return { users: items, after: next }
      }),

      search: Effect.fnUntraced(function* ({ query }) {
        const { userId } = yield* CurrentSession
        return { messages: yield* messages.search(userId, query.q, query.conversation, query.limit ?? defaultLimit) }
      })
    })
  })
)
