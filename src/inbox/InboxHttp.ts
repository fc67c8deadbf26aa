import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { formatVersion } from "../braid/Version.ts"
import { PeopleLists } from "../contract/Friend.ts"
import { ConversationSummary } from "../contract/Conversation.ts"
import { braidEncoding, type Encoding } from "../live/Encoding.ts"
import type { StateUpdate } from "../live/StateUpdate.ts"
import { answerFeed, readAsk, readBraid } from "../live/StreamResponse.ts"
import { Inbox, type InboxState } from "./Inbox.ts"
import { InboxPage } from "../contract/InboxPage.ts"
import { InboxSubscriptions } from "./InboxSubscriptions.ts"
import { formatInboxVersion, versionOf } from "./InboxVersion.ts"
import { handlersLayer } from "../http/RequestContext.ts"

const pageOf = ({ acquaintances, conversations, ids, isWhole, next }: InboxState) =>
  new InboxPage({
    conversationIds: ids,
    conversations: Object.fromEntries(conversations.map((conversation) => [conversation.id, conversation])),
    ...(isWhole ? { conversationsCursor: next } : {}),
    ...acquaintances
  })

const encodePage = Schema.encodeSync(Schema.fromJsonString(InboxPage))
const encodeAcquaintances = Schema.encodeSync(PeopleLists)
const encodeSummary = Schema.encodeSync(Schema.fromJsonString(ConversationSummary.json))

/** The empty inbox: the first update of a client that subscribes from the root. */
const root = braidEncoding.snapshot(
  "0",
  encodePage(
    new InboxPage({
      conversationIds: [],
      conversations: {},
      conversationsCursor: null,
      friends: [],
      friendsCursor: null,
      requests: [],
      requestsCursor: null,
      blocks: [],
      blocksCursor: null
    })
  )
)

const encode = ({ isChange, previous, state, version }: StateUpdate<InboxState>, encoding: Encoding): Uint8Array => {
  const body = encodePage(pageOf(state))
  if (!isChange) return encoding.snapshot(version, body)
  // One item for the whole change: a client whose connection breaks has all of it or nothing.
  const patches = [
    { contentRange: "json .conversationIds", body: JSON.stringify(state.ids) },
    ...state.conversations.map((conversation) => ({
      contentRange: `json .conversations["${conversation.id}"]`,
      body: encodeSummary(conversation)
    })),
    ...(state.acquaintances === null
      ? []
      : Object.entries(encodeAcquaintances(state.acquaintances)).map(([list, people]) => ({
          contentRange: `json .${list}`,
          body: JSON.stringify(people)
        })))
  ]
  return encoding.item({ name: "change", version, body, patches })(previous)
}

export const InboxHttp = Effect.gen(function* () {
  const inbox = yield* Inbox
  const subscriptions = yield* InboxSubscriptions

  return HttpApiBuilder.group(Api, "inbox", (handlers) =>
    handlers.handle(
      "inbox",
      Effect.fnUntraced(function* ({ query, request }) {
        const caller = yield* CurrentSession
        const ask = yield* readAsk(request, yield* readBraid(request), query)
        if (ask === undefined) {
          const state = yield* inbox.read(caller.userId, undefined)
          return HttpApiSchema.withHeaders({
            body: pageOf(state),
            headers: { version: formatVersion([formatInboxVersion(versionOf(state))]) }
          })
        }
        // A version of an inbox is a single one: a set of several is ignored.
        const start = ask.from?.length === 1 ? ask.from[0] : undefined
        const { feed, version } = yield* subscriptions.open(caller, start, ask.heartbeat)
        return yield* answerFeed(ask, {
          currentVersion: version,
          feed,
          root,
          versionOf: (update) => update.version,
          encode
        })
      })
    )
  )
}).pipe(handlersLayer)
