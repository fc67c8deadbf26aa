import { Array as Arrays, Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Api } from "../Api.ts"
import { CurrentSession } from "../auth/Session.ts"
import { formatVersion, type Version } from "../braid/Version.ts"
import { ConversationSummary } from "../messaging/Conversation.ts"
import { braidEncoding } from "../streaming/Encoding.ts"
import { answerFeed, readAsk, readBraid, type Notice } from "../streaming/StreamHttp.ts"
import { Inbox, type InboxState } from "./Inbox.ts"
import { Horizon, InboxPage } from "./InboxItem.ts"
import { InboxSubscriptions, type InboxUpdate } from "./InboxSubscriptions.ts"

const isHorizon = Schema.is(Horizon)

/** The horizon that a version stands for; `undefined` for any other version. */
const horizonOf = (version: Version | undefined): Horizon | undefined => {
  const [id = "", ...others] = version ?? []
  const horizon = others.length === 0 && /^\d{1,16}(\.\d{1,9})?$/.test(id) ? Number.parseInt(id, 10) : 0
  return isHorizon(horizon) ? horizon : undefined
}

const pageOf = ({ conversations, ids }: InboxState) =>
  new InboxPage({
    conversationIds: ids,
    conversations: Object.fromEntries(conversations.map((conversation) => [conversation.id, conversation]))
  })

const encodePage = Schema.encodeSync(Schema.fromJsonString(InboxPage))
const encodeSummary = Schema.encodeSync(Schema.fromJsonString(ConversationSummary.json))

/** What an inbox held before all else: who subscribes from the root is given this to add to. */
const root = braidEncoding.snapshot("0", encodePage(new InboxPage({ conversationIds: [], conversations: {} })))

/** Writes updates one after the other: each names the version before it. */
const makeNotices = (from: string) => {
  let previous = from
  let number = 0
  let last: Horizon | undefined
  return (update: InboxUpdate): Notice => {
    if (update._tag === "Heartbeat") return update
    const { isChange, state } = update
    // A long transaction holds a horizon in place: a number tells the updates of one horizon apart.
    number = last === state.horizon ? number + 1 : 0
    last = state.horizon
    const version = number === 0 ? `${state.horizon}` : `${state.horizon}.${number}`
    const before = previous
    previous = version
    const body = encodePage(pageOf(state))
    if (!isChange) return { _tag: "Update", version, encode: (encoding) => encoding.snapshot(version, body) }
    // One item for the whole change: who is cut off has all of it or none.
    const patches = [
      { contentRange: "json .conversationIds", body: JSON.stringify(state.ids) },
      ...state.conversations.map((conversation) => ({
        contentRange: `json .conversations["${conversation.id}"]`,
        body: encodeSummary(conversation)
      }))
    ]
    const item = { name: "change", version, body, patches }
    return { _tag: "Update", version, encode: (encoding) => encoding.item(item)(before) }
  }
}

export const InboxHttp = HttpApiBuilder.group(
  Api,
  "inbox",
  Effect.fn(function* (handlers) {
    const inbox = yield* Inbox
    const subscriptions = yield* InboxSubscriptions

    return handlers.handle(
      "inbox",
      Effect.fnUntraced(function* ({ query, request }) {
        const session = yield* CurrentSession
        const ask = readAsk(request, yield* readBraid(request), query)
        if (ask === undefined) {
          const state = yield* inbox.read(session.userId, undefined)
          return HttpApiSchema.withHeaders({
            body: pageOf(state),
            headers: { version: formatVersion([`${state.horizon}`]) }
          })
        }
        const { horizon, next } = yield* subscriptions.open(
          session,
          horizonOf(ask.from),
          ask.heartbeat,
          ask.encoding === "poll"
        )
        const notice = makeNotices(ask.from?.at(-1) ?? "0")
        return yield* answerFeed(
          ask,
          { currentVersion: `${horizon}`, next: Effect.map(next, (updates) => Arrays.map(updates, notice)) },
          root
        )
      })
    )
  })
)
