import { Array as Arrays, Effect, Result } from "effect"
import { HttpEffect, HttpServerResponse, type HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { formatVersion, type Version } from "../braid/Version.ts"
import { Presence } from "../presence/Presence.ts"
import { defaultPageSize } from "../contract/Paging.ts"
import { maxLines } from "../contract/MessageLines.ts"
import { invalid, UnsupportedMediaType } from "../contract/Problem.ts"
import { readAsk, readBraid } from "../live/StreamResponse.ts"
import { subscribe } from "./SubscriptionResponse.ts"
import { Subscriptions } from "./Subscriptions.ts"
import { formatLogVersion, isOfIncarnation, parseLogVersion, type LogVersion } from "../contract/LogVersion.ts"
import { StaleVersion, toJson, type Message, type MessagePage } from "../contract/Message.ts"
import { MessageChanges } from "./MessageChanges.ts"
import { Messages } from "./Messages.ts"
import type { View } from "./LogView.ts"
import { VersionNotFound } from "../contract/MessagesApi.ts"
import { payloadBounds } from "../http/PayloadBounds.ts"
import { handlersLayer } from "../http/RequestContext.ts"
import { takeSome } from "../limits/Limits.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { formatOutcomes, linesOf, outcomesOf, problemOfAll, readLine } from "./MessageLines.ts"

/** A part of a message, if it were taken for a whole one, would silently replace the message. */
const refusePartialWrite = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  "content-range" in headers || "patches" in headers
    ? Effect.fail(
        new UnsupportedMediaType({
          detail: "A message is replaced as a whole: send it without Content-Range and Patches."
        })
      )
    : Effect.void

const versionOfView = ({ head, incarnation }: View): LogVersion => ({ incarnation, position: head })

/** The same as `formatVersion`, for versions that need no escape. */
const quote = (version: LogVersion): string => `"${formatLogVersion(version)}"`

/** Fails, with the header in the answer, unless the log has had the version and `isHeld` is true of it. */
const requireVersion = Effect.fnUntraced(function* (
  view: View,
  header: "Version" | "Parents",
  version: Version | undefined,
  isHeld: (version: LogVersion) => boolean
) {
  if (version === undefined) return
  const asked = parseLogVersion(version)
  const isKnown = asked !== undefined && asked.position <= view.head && isOfIncarnation(asked, view.incarnation)
  if (isKnown && isHeld(asked)) return
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, header, formatVersion(version)))
  )
  return yield* new VersionNotFound({
    detail: `There is no such version: this conversation is at ${quote(versionOfView(view))}.`
  })
})

const answer = (body: Message | MessagePage, version: LogVersion, status = 200) =>
  HttpServerResponse.text(toJson(body), {
    contentType: "application/json",
    status,
    headers: { version: quote(version) }
  })

export const MessagesHttp = Effect.gen(function* () {
  const messages = yield* Messages
  const changes = yield* MessageChanges
  const presence = yield* Presence
  const subscriptions = yield* Subscriptions
  const rateLimits = yield* RateLimits

  const answerMessage = (message: Message, status = 200) =>
    Effect.map(messages.versionOf(message), (version) => answer(message, version, status))

  return HttpApiBuilder.group(Api, "messages", (handlers) =>
    handlers
      .handleAll({
        page: Effect.fnUntraced(function* ({ params, query: { wait, ...query }, request }) {
          const caller = yield* CurrentSession
          const braid = yield* readBraid(request)
          const after = query.after === undefined ? undefined : String(query.after)
          const ask = yield* readAsk(request, braid, { wait, after })
          if (ask !== undefined) return yield* subscribe(subscriptions, caller, params.id, ask)
          const view = yield* messages.view(caller.userId, params.id)
          yield* requireVersion(view, "Parents", braid.parents, () => true)
          // Only the current version is kept as a whole.
          yield* requireVersion(view, "Version", braid.version, ({ position }) => position === view.head)
          const from = after === undefined ? undefined : parseLogVersion([after])?.position
          const body = yield* messages.page(params.id, view, { limit: defaultPageSize, ...query, after: from })
          return answer(body, versionOfView(view))
        }),

        send: Effect.fnUntraced(function* ({ params, payload, request }) {
          const { userId } = yield* CurrentSession
          const { parents } = yield* readBraid(request)
          yield* refusePartialWrite(request)
          const { message, created } = yield* parents === undefined || parents.length === 0
            ? messages.send(userId, params.id, params.messageId, payload)
            : Effect.gen(function* () {
                const expected = parseLogVersion(parents)
                if (expected === undefined || typeof payload.content !== "string") {
                  return yield* new StaleVersion({
                    detail: "Only a text can be edited. Parents must be the version of the text that this one replaces."
                  })
                }
                const target = { conversationId: params.id, id: params.messageId }
                return { message: yield* changes.edit(userId, target, payload.content, expected), created: false }
              })
          if (created) yield* presence.stopTyping(userId, params.id)
          return yield* answerMessage(message, created ? 201 : 200)
        }),

        get: Effect.fnUntraced(function* ({ params }) {
          const { userId } = yield* CurrentSession
          return yield* answerMessage(yield* messages.get(userId, params.id, params.messageId))
        }),

        edit: Effect.fnUntraced(function* ({ params, payload }) {
          const { userId } = yield* CurrentSession
          const target = { conversationId: params.id, id: params.messageId }
          return yield* answerMessage(yield* changes.edit(userId, target, payload.content))
        }),

        erase: Effect.fnUntraced(function* ({ params }) {
          const { userId } = yield* CurrentSession
          yield* changes.erase(userId, { conversationId: params.id, id: params.messageId })
        }),

        history: Effect.fnUntraced(function* ({ params, query: { after, limit = defaultPageSize } }) {
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

        reactors: Effect.fnUntraced(function* ({ params, query: { after, limit = defaultPageSize } }) {
          const { userId } = yield* CurrentSession
          const target = { conversationId: params.id, id: params.messageId }
          const { items, next } = yield* changes.reactors(userId, target, params.emoji, limit, after)
          return { users: items, after: next }
        })
      })
      // The lines are read here, since one that is malformed must not hide the others.
      .handleRaw(
        "sendAll",
        Effect.fnUntraced(function* ({ endpoint, params, request }) {
          const { userId } = yield* CurrentSession
          const lines = linesOf(yield* Effect.orDie(request.text))
          if (lines.length === 0 || lines.length > maxLines) {
            return yield* invalid([{ path: ["payload"], message: `must have 1 to ${maxLines} lines` }])
          }
          // The request itself has been counted as its first message.
          const { admitted, refusal } = yield* takeSome(rateLimits, "sending", userId, lines.length - 1)
          const bounds = payloadBounds(endpoint)
          const read = lines.map((line, index) =>
            index > admitted && refusal !== undefined ? Result.fail(refusal) : readLine(line, bounds)
          )
          const sent = yield* messages.sendAll(userId, params.id, Arrays.getSuccesses(read))
          const outcomes = outcomesOf(read, sent)
          const problem = problemOfAll(outcomes)
          if (problem !== undefined) return yield* Effect.fail(problem)
          if (sent.some((one) => Result.isSuccess(one) && one.success.created)) {
            yield* presence.stopTyping(userId, params.id)
          }
          return HttpServerResponse.text(formatOutcomes(outcomes, yield* messages.incarnation), {
            contentType: "application/x-ndjson"
          })
        })
      )
  )
}).pipe(handlersLayer)
