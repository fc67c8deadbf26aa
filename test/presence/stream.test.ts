import { assert, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { randomUUID } from "node:crypto"
import { MessageId } from "../../src/contract/Message.ts"
import { clientOf, signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { encodings, poll, Refused, type Encoding, type Source } from "../../src/conformance/Subscriber.ts"
import type { Told } from "../messages/picture.ts"
import { Copy, told, type Page } from "./subscriber.ts"

/** The grace time is 0.3 seconds, not 15. */
const quick = ConfigProvider.layer(ConfigProvider.fromUnknown({ ...process.env, PRESENCE_LEASE: "1 second" }))

const sourceOf = Effect.fnUntraced(function* (
  { token }: TestUser,
  path = "/api/presence"
): Effect.fn.Return<Source, never, TestServer> {
  const { baseUrl, fetch } = yield* TestServer
  return { fetch, url: `${baseUrl}${path}`, token }
})

/** A subscription, until the scope closes. */
const subscribe = Effect.fnUntraced(function* (user: TestUser, encoding: Encoding, from?: string) {
  const source = yield* sourceOf(user)
  const abort = new AbortController()
  const stream = told(source, encoding, from, abort.signal)
  const copy = new Copy(from)
  let next: Promise<IteratorResult<Told<Page>>> | undefined = stream.next()
  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      abort.abort()
      await next?.catch(() => undefined)
    })
  )
  /** Reads the next update; `undefined` at the end. */
  const read = async (): Promise<Told<Page> | undefined> => {
    next ??= stream.next()
    const { done, value } = await next
    next = undefined
    if (done === true) return undefined
    copy.take(value)
    return value
  }
  return {
    copy,
    read: Effect.promise(read),
    /** Reads until the copy is as expected. */
    until: (isShown: (copy: Copy) => boolean) =>
      Effect.promise(async () => {
        while (!isShown(copy)) assert(await read(), "the stream ended")
      })
  }
})

const get = Effect.fnUntraced(function* (user: TestUser) {
  const { fetch, token, url } = yield* sourceOf(user)
  return yield* Effect.promise(async () => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    assert.strictEqual(response.status, 200)
    const copy = new Copy()
    const version = response.headers.get("version")?.replaceAll('"', "") ?? ""
    copy.take({ version, snapshot: (await response.json()) as Page })
    return copy
  })
})

/** Opens a stream of a user's inbox, and waits for its head. */
const arrive = Effect.fnUntraced(function* (user: TestUser) {
  const { fetch, token, url } = yield* sourceOf(user, "/api/inbox")
  const abort = new AbortController()
  yield* Effect.addFinalizer(() => Effect.sync(() => abort.abort()))
  const headers = { authorization: `Bearer ${token}`, accept: "application/x-ndjson" }
  const { body } = yield* Effect.promise(() => fetch(url, { headers, signal: abort.signal }))
  yield* Effect.promise(async () => body?.getReader().read())
  return { leave: Effect.sync(() => abort.abort()) }
})

const world = Effect.gen(function* () {
  const [ada, grace] = [yield* signedIn(), yield* signedIn()]
  const asGrace = yield* clientOf(grace)
  const { id } = yield* asGrace.conversations.direct({ params: { userId: ada.id } })
  const type = (isTyping?: boolean) =>
    asGrace.conversations.typing({ params: { id }, payload: isTyping === undefined ? {} : { isTyping } })
  const send = Effect.suspend(() =>
    asGrace.messages.send({
      params: { id, messageId: MessageId.make(randomUUID()) },
      payload: { content: "Hello", messageType: "text" }
    })
  )
  return { ada, grace, id, asAda: yield* clientOf(ada), type, send }
})

const server = TestServer.layerSocket.pipe(Layer.provide(quick))

layer(server, { excludeTestServices: true })("The stream of presence", (it) => {
  for (const encoding of encodings) {
    it.effect(`begins with a snapshot, and goes on with changes: ${encoding}`, () =>
      Effect.gen(function* () {
        const { ada, grace, id, send, type } = yield* world
        const { leave } = yield* arrive(grace)
        yield* type()
        const { copy, read, until } = yield* subscribe(ada, encoding)
        const first = yield* read
        assert.isDefined(first?.snapshot)
        yield* until(({ online }) => online.length > 0)
        yield* until(({ typing }) => Object.keys(typing).length > 0)
        assert.deepStrictEqual(copy.online, [grace.id])
        assert.deepStrictEqual(copy.typing, { [id]: [grace.id] })

        yield* send
        yield* until(({ typing }) => Object.keys(typing).length === 0)
        yield* type()
        yield* until(({ typing }) => Object.keys(typing).length > 0)
        yield* type(false)
        yield* until(({ typing }) => Object.keys(typing).length === 0)
        yield* leave
        yield* until(({ online }) => online.length === 0)

        const fresh = yield* get(ada)
        assert.deepStrictEqual([copy.online, copy.typing], [fresh.online, fresh.typing])
      })
    )

    it.effect(`resumes from an unknown version with a snapshot: ${encoding}`, () =>
      Effect.gen(function* () {
        const { ada, grace } = yield* world
        yield* arrive(grace)
        for (const from of ["", "0", "nonsense", "a.b.c", `${randomUUID().slice(0, 8)}.1.${"x".repeat(22)}`]) {
          if (from === "" && encoding !== "braid") continue
          const { read, until } = yield* subscribe(ada, encoding, from)
          // A Braid subscriber from the root first gets an empty state.
          if (from === "") assert.deepStrictEqual((yield* read)?.snapshot, { people: {}, typing: {}, cursor: null })
          assert.isDefined((yield* read)?.snapshot)
          yield* until(({ online }) => online.includes(grace.id))
        }
      })
    )

    it.effect(`waits for a change when the client has the current snapshot: ${encoding}`, () =>
      Effect.gen(function* () {
        const { ada, grace, id, type } = yield* world
        const { version } = yield* get(ada)
        const { copy, read, until } = yield* subscribe(ada, encoding, version)
        // Nothing of this concerns Ada. Her first update comes from Grace.
        const [alan, eve] = [yield* signedIn(), yield* signedIn()]
        const asAlan = yield* clientOf(alan)
        const other = yield* asAlan.conversations.direct({ params: { userId: eve.id } })
        yield* arrive(alan)
        yield* asAlan.conversations.typing({ params: { id: other.id }, payload: {} })
        yield* arrive(grace)
        assert.isDefined((yield* read)?.snapshot)
        yield* until(({ online }) => online.length > 0)
        yield* type()
        yield* until(({ typing }) => id in typing)
        assert.deepStrictEqual([copy.online, copy.typing], [[grace.id], { [id]: [grace.id] }])
      })
    )
  }

  it.effect("neither shows people who hide their presence, nor shows them anybody", () =>
    Effect.gen(function* () {
      const { ada, asAda, grace } = yield* world
      const graces = yield* subscribe(grace, "lines")
      const adas = yield* subscribe(ada, "braid")
      yield* adas.until(({ online }) => online.includes(grace.id))
      yield* graces.until(({ online }) => online.includes(ada.id))
      yield* asAda.auth.update({ payload: { showsPresence: false } })
      yield* adas.until(({ online }) => online.length === 0)
      yield* graces.until(({ online }) => online.length === 0)
      assert.deepStrictEqual((yield* get(ada)).online, [])
      assert.deepStrictEqual((yield* get(grace)).online, [])
      yield* asAda.auth.update({ payload: { showsPresence: true } })
      yield* adas.until(({ online }) => online.includes(grace.id))
      yield* graces.until(({ online }) => online.includes(ada.id))
    })
  )

  it.effect("shows nothing across a block, not even that there was something", () =>
    Effect.gen(function* () {
      const [ada, grace, alan] = [yield* signedIn(), yield* signedIn(), yield* signedIn()]
      const [asAda, asGrace, asAlan] = [yield* clientOf(ada), yield* clientOf(grace), yield* clientOf(alan)]
      const { id } = yield* asAda.conversations.create({ payload: { participantIds: [grace.id, alan.id] } })
      const [adas, graces] = [yield* subscribe(ada, "lines"), yield* subscribe(grace, "braid")]
      yield* adas.until(({ online }) => online.includes(grace.id))
      yield* graces.until(({ online }) => online.includes(ada.id))
      yield* asAda.friends.block({ params: { userId: grace.id } })
      for (const { until } of [adas, graces]) yield* until(({ online }) => online.length === 0)

      for (const client of [asAda, asGrace]) yield* client.conversations.typing({ params: { id }, payload: {} })
      yield* arrive(alan)
      yield* asAlan.conversations.typing({ params: { id }, payload: {} })
      for (const { copy, read, until } of [adas, graces]) {
        // Their first update is about Alan.
        const { change } = (yield* read) ?? {}
        const about = [...Object.keys(change?.people ?? {}), ...Object.values(change?.typing ?? {}).flat()]
        assert.deepStrictEqual([...new Set(about)], [alan.id])
        yield* until(({ typing }) => id in typing)
        assert.deepStrictEqual([copy.online, copy.typing], [[alan.id], { [id]: [alan.id] }])
      }

      yield* asAda.friends.unblock({ params: { userId: grace.id } })
      yield* adas.until(({ online }) => online.includes(grace.id))
      yield* graces.until(({ online }) => online.includes(ada.id))
    })
  )

  it.effect("no longer shows the people and the typing of a group after leaving it", () =>
    Effect.gen(function* () {
      const [ada, grace, alan] = [yield* signedIn(), yield* signedIn(), yield* signedIn()]
      const [asAda, asGrace] = [yield* clientOf(ada), yield* clientOf(grace)]
      const { id } = yield* asAda.conversations.create({ payload: { participantIds: [grace.id, alan.id] } })
      yield* arrive(grace)
      const adas = yield* subscribe(ada, "events")
      const alans = yield* subscribe(alan, "events")
      yield* asGrace.conversations.typing({ params: { id }, payload: {} })
      for (const { until } of [adas, alans])
        yield* until(({ online, typing }) => id in typing && online.includes(grace.id))
      yield* asAda.conversations.removeParticipant({ params: { id, userId: alan.id } })
      yield* alans.until(({ online, typing }) => online.length === 0 && !(id in typing))
      yield* adas.until(({ online }) => !online.includes(alan.id))
      yield* asAda.conversations.putParticipant({ params: { id, userId: alan.id }, payload: {} })
      yield* alans.until(({ online }) => online.includes(grace.id) && online.includes(ada.id))
    })
  )

  it.effect("never shows oneself", () =>
    Effect.gen(function* () {
      const { ada, grace, id, type } = yield* world
      const graces = yield* subscribe(grace, "lines")
      yield* graces.read
      yield* type()
      const adas = yield* subscribe(ada, "lines")
      yield* adas.until(({ typing }) => id in typing)
      yield* graces.until(({ online }) => online.length > 0)
      assert.deepStrictEqual([graces.copy.online, graces.copy.typing], [[ada.id], {}])
    })
  )

  it.effect("ends with its session", () =>
    Effect.gen(function* () {
      const { ada, asAda } = yield* world
      const { read } = yield* subscribe(ada, "lines")
      yield* read
      yield* asAda.auth.logout()
      while ((yield* read) !== undefined) continue
    })
  )

  it.effect("counts among the streams that a session may have", () =>
    Effect.gen(function* () {
      const { ada } = yield* world
      for (let number = 0; number < 32; number++) yield* Effect.flatMap(subscribe(ada, "lines"), ({ read }) => read)
      const source = yield* sourceOf(ada)
      const refused = yield* Effect.promise(() => poll(source, "1s", undefined).catch((error: unknown) => error))
      assert(refused instanceof Refused)
      assert.strictEqual(refused.status, 429)
    })
  )
})
