import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { CurrentSession } from "../contract/Session.ts"
import { formatVersion } from "../braid/Version.ts"
import { braidEncoding, type Encoding } from "../live/Encoding.ts"
import type { StateUpdate } from "../live/StateUpdate.ts"
import { answerFeed, readAsk, readBraid } from "../live/StreamResponse.ts"
import { PresencePage } from "../contract/PresencePage.ts"
import { PresenceSubscriptions } from "./PresenceSubscriptions.ts"
import { handlersLayer } from "../http/RequestContext.ts"

const encodePage = Schema.encodeSync(Schema.fromJsonString(PresencePage))

/** The state before anybody is online: a subscriber from the root gets this to add to. */
const root = braidEncoding.snapshot("0", encodePage({ people: {}, typing: {}, cursor: null }))

const patchesOf = (member: "people" | "typing", values: Readonly<Record<string, unknown>>) =>
  Object.entries(values).map(([id, value]) => ({
    contentRange: `json .${member}["${id}"]`,
    body: JSON.stringify(value)
  }))

const encode = ({ isChange, previous, state, version }: StateUpdate<PresencePage>, encoding: Encoding): Uint8Array => {
  const body = encodePage(state)
  if (!isChange) return encoding.snapshot(version, body)
  const patches = [...patchesOf("people", state.people), ...patchesOf("typing", state.typing)]
  return encoding.item({ name: "change", version, body, patches })(previous)
}

export const PresenceHttp = Effect.gen(function* () {
  const subscriptions = yield* PresenceSubscriptions

  return HttpApiBuilder.group(Api, "presence", (handlers) =>
    handlers.handleAll({
      presence: Effect.fnUntraced(function* ({ query, request }) {
        const caller = yield* CurrentSession
        const ask = yield* readAsk(request, yield* readBraid(request), query)
        if (ask === undefined) {
          const { page, version } = yield* subscriptions.read(caller, query.cursor)
          return HttpApiSchema.withHeaders({ body: page, headers: { version: formatVersion([version]) } })
        }
        const { feed, version } = yield* subscriptions.open(caller, ask.from?.at(-1), ask.heartbeat)
        return yield* answerFeed(ask, {
          currentVersion: version,
          feed,
          root,
          versionOf: (update) => update.version,
          encode
        })
      })
    })
  )
}).pipe(handlersLayer)
