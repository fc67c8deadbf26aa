import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { clientOf, signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { UpdateParser } from "../../src/braid/UpdateParser.ts"

const open = Effect.fnUntraced(function* (user: TestUser, headers: Record<string, string>, query = "") {
  const { baseUrl, fetch } = yield* TestServer
  const abort = new AbortController()
  yield* Effect.addFinalizer(() => Effect.sync(() => abort.abort()))
  return yield* Effect.promise(() =>
    fetch(`${baseUrl}/api/inbox${query}`, {
      headers: { authorization: `Bearer ${user.token}`, ...headers },
      signal: abort.signal
    })
  )
})

/** The lines of a stream of NDJSON, without heartbeats, one at a time. */
const lines = (response: Response) => {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  const next = async (): Promise<Record<string, unknown>> => {
    for (;;) {
      const end = text.indexOf("\n")
      if (end >= 0) {
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        if (line !== "{}") return JSON.parse(line)
        continue
      }
      const { done, value } = await reader.read()
      if (done) throw new Error("the stream ended")
      text += value
    }
  }
  return Effect.promise(next)
}

interface Page {
  readonly conversationIds: ReadonlyArray<string>
  readonly conversations: Record<
    string,
    { readonly unreadCount: number; readonly lastMessage: { readonly preview: string } }
  >
}

const world = Effect.gen(function* () {
  const [ada, grace] = [yield* signedIn(), yield* signedIn()]
  const asGrace = yield* clientOf(grace)
  const { id } = yield* asGrace.conversations.direct({ params: { userId: ada.id } })
  const send = (content: string) =>
    asGrace.messages.send({
      params: { id, messageId: MessageId.make(randomUUID()) },
      payload: { content, messageType: "text" }
    })
  return { ada, id, send }
})

layer(TestServer.layer, { excludeTestServices: true })("The stream of an inbox", (it) => {
  it.effect("begins with everything, continues with changes, and resumes by its version", () =>
    Effect.gen(function* () {
      const { ada, id, send } = yield* world
      yield* send("one")
      const next = lines(yield* open(ada, { accept: "application/x-ndjson" }))
      const snapshot = (yield* next) as { snapshot: Page; version: string }
      assert.deepStrictEqual(snapshot.snapshot.conversationIds, [id])
      assert.strictEqual(snapshot.snapshot.conversations[id]?.unreadCount, 1)

      yield* send("two")
      const live = (yield* next) as { change: Page; version: string }
      assert.strictEqual(live.change.conversations[id]?.lastMessage.preview, "two")

      const resumed = lines(yield* open(ada, { accept: "application/x-ndjson" }, `?after=${snapshot.version}`))
      const missed = (yield* resumed) as { change: Page }
      assert.strictEqual(missed.change.conversations[id]?.unreadCount, 2)
    })
  )

  it.effect("comes by Braid as patches of the same resource", () =>
    Effect.gen(function* () {
      const { ada, id, send } = yield* world
      const response = yield* open(ada, { subscribe: "true" })
      assert.strictEqual(response.status, 209)
      const reader = response.body!.getReader()
      const parser = new UpdateParser()
      const updates: Array<Record<string, unknown>> = []
      const next = Effect.promise(async () => {
        while (updates.length === 0) {
          const { done, value } = await reader.read()
          if (done) throw new Error("the stream ended")
          for (const event of parser.push(value)) if (event._tag !== "Heartbeat") updates.push({ ...event })
        }
        return updates.shift()!
      })
      const snapshot = yield* next
      assert.strictEqual(snapshot["_tag"], "Snapshot")
      yield* send("hello")
      const change = (yield* next) as {
        version: unknown
        parents: unknown
        patches: ReadonlyArray<{ contentRange: string }>
      }
      assert.deepStrictEqual(change.parents, snapshot["version"])
      assert.deepStrictEqual(
        change.patches.map(({ contentRange }) => contentRange),
        ["json .conversationIds", `json .conversations["${id}"]`]
      )
    })
  )

  it.effect("answers a long poll when something changes", () =>
    Effect.gen(function* () {
      const { ada, id, send } = yield* world
      const first = yield* open(ada, {}, "?wait=1s").pipe(
        Effect.flatMap((response) => Effect.promise(() => response.json() as Promise<{ version: string }>))
      )
      const [polled] = yield* Effect.all(
        [
          Effect.flatMap(open(ada, {}, `?wait=20s&after=${first.version}`), (response) =>
            Effect.promise(
              () => response.json() as Promise<{ updates: ReadonlyArray<{ change: Page }>; version: string }>
            )
          ),
          send("wake up")
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(polled.updates.at(-1)?.change.conversations[id]?.lastMessage.preview, "wake up")
    })
  )
})
