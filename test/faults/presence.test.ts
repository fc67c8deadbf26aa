import { assert, describe, it } from "@effect/vitest"
import type { Redacted, Scope } from "effect"
import { Effect } from "effect"
import { TestDatabase } from "../../src/testing/index.ts"
import { Person, twoPeople } from "../../src/conformance/Client.ts"
import { proxy } from "../process/tcp.ts"
import { Copy, told } from "../presence/subscriber.ts"
import { startServer } from "../serverProcess.ts"

/** A lease that is not renewed within a test, so that all presence is from changes and roll calls. */
const long = "1 hour"

const start = (url: Redacted.Redacted, lease: string) => startServer("node", url, { PRESENCE_LEASE: lease })
type Running = Effect.Success<ReturnType<typeof start>>

const at = ({ baseUrl }: Running, { token = "", user }: Person) =>
  new Person({ url: baseUrl }, { token, user, expiresAt: "" })

/** Subscribes to presence, and returns a function that waits until the copy is as expected. */
const watch = Effect.fnUntraced(function* ({ server, token = "" }: Person) {
  const abort = new AbortController()
  yield* Effect.addFinalizer(() => Effect.sync(() => abort.abort()))
  const source = { fetch, url: `${server.url}/api/presence`, token }
  const stream = told(source, "lines", undefined, abort.signal)
  const copy = new Copy()
  const until = (isShown: (copy: Copy) => boolean) =>
    Effect.promise(async () => {
      while (!isShown(copy)) copy.take((await stream.next()).value ?? assert.fail("the stream ended"))
    })
  return { isOnline: ({ id }: Person) => until(({ online }) => online.includes(id)), until }
})

/** Opens a stream of a person's inbox, and waits for its head. */
const arrive = Effect.fnUntraced(function* ({
  authorization,
  server
}: Person): Effect.fn.Return<void, never, Scope.Scope> {
  const abort = new AbortController()
  yield* Effect.addFinalizer(() => Effect.sync(() => abort.abort()))
  const headers = { ...authorization, accept: "application/x-ndjson" }
  const { body } = yield* Effect.promise(() => fetch(`${server.url}/api/inbox`, { headers, signal: abort.signal }))
  yield* Effect.promise(async () => body?.getReader().read())
})

describe("Presence, with two processes on one database,", () => {
  it.live("shows at each who is online and who types at the other", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const [here, there] = yield* Effect.all([start(url, long), start(url, long)], { concurrency: 2 })
      const { ada, conversation, grace } = yield* Effect.promise(() => twoPeople({ url: here.baseUrl }))
      const { isOnline, until } = yield* watch(ada)
      const graceThere = at(there, grace)
      yield* arrive(graceThere)
      yield* isOnline(grace)
      const typing = (json: unknown) => Effect.promise(() => graceThere.post(`${conversation}/typing`, json))
      assert.strictEqual((yield* typing({})).status, 204)
      yield* until(({ typing }) => Object.keys(typing).length > 0)
      assert.strictEqual((yield* typing({ isTyping: false })).status, 204)
      yield* until(({ typing }) => Object.keys(typing).length === 0)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("is known at once to a process that starts", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const here = yield* start(url, long)
      const { ada, grace } = yield* Effect.promise(() => twoPeople({ url: here.baseUrl }))
      yield* arrive(grace)
      const late = yield* start(url, long)
      const { isOnline } = yield* watch(at(late, ada))
      yield* isOnline(grace)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("catches up when the processes hear each other again", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const between = yield* proxy(url)
      const [here, there] = yield* Effect.all([start(url, long), start(between.url, long)], { concurrency: 2 })
      const { ada, grace } = yield* Effect.promise(() => twoPeople({ url: here.baseUrl }))
      const { isOnline, until } = yield* watch(at(there, ada))
      yield* until(({ version }) => version !== undefined)
      yield* between.breakDown
      yield* arrive(grace)
      yield* between.triedInVain
      yield* between.recover
      yield* isOnline(grace)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("ends with the lease of people whose process was killed", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const [here, there] = yield* Effect.all([start(url, "3 seconds"), start(url, "3 seconds")], { concurrency: 2 })
      const { ada, grace } = yield* Effect.promise(() => twoPeople({ url: here.baseUrl }))
      const { isOnline, until } = yield* watch(ada)
      yield* arrive(at(there, grace))
      yield* isOnline(grace)
      yield* there.kill("SIGKILL")
      yield* until(({ online }) => online.length === 0)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
