import { assert } from "@effect/vitest"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Array as Arrays, Effect, Fiber, Queue, type Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomUUID } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import { Person, twoPeople, type Message } from "../../src/conformance/Client.ts"
import { Copy, encodings, Refused, told, type Encoding } from "../../src/conformance/Subscriber.ts"

/** The connection was refused, or broke before the response. */
const notReached = /^fetch failed$/
/** The connection broke within a response. */
const cutOff = /^terminated$/

const isError = (error: unknown, words: RegExp) => error instanceof TypeError && words.test(error.message)

/** Between messages, and before another attempt: these tests look for faults, not for speed. */
const pause = () => setTimeout(20)

export interface LoadOptions {
  /** The database, to count the messages. */
  readonly database: Redacted.Redacted
  /** The URL of each process of the server. A client that one refuses goes to the next. */
  readonly servers: ReadonlyArray<string>
  readonly senders?: number
}

/**
 * Two people who send on many devices at once, and subscribe in every encoding. Without a response, or after a 503, they try
 * again; after a cut, they resume. Any other response, and any update that does not follow the one before, fails the
 * effects returned here.
 */
export const startLoad = Effect.fnUntraced(function* ({ database, senders = 4, servers }: LoadOptions) {
  const at = (attempt: number) => ({ url: servers[attempt % servers.length] ?? assert.fail("no server") })
  const { ada, grace, messages } = yield* Effect.promise(() => twoPeople(at(0)))
  const moved = ({ token = "", user }: Person, attempt: number) =>
    new Person(at(attempt), { token, user, expiresAt: "" })

  const sent = new Map<string, string>()
  const acknowledged = new Map<string, Message>()
  const last = randomUUID()
  const counts = { unavailable: 0, notReached: 0, cutOff: 0 }
  const progress = yield* Queue.unbounded<void>()
  const abort = new AbortController()
  let isOver = false
  yield* Effect.addFinalizer(() => Effect.sync(() => abort.abort()))

  /** Sends a message once, and returns whether it was acknowledged. */
  const send = async (person: Person, id: string): Promise<boolean> => {
    try {
      const content = sent.get(id)
      const { body, status, text } = await person.put<Message>(`${messages}/${id}`, { content })
      if (status === 503) {
        counts.unavailable += 1
        return false
      }
      assert.include([200, 201], status, text)
      assert.strictEqual(body.content, content)
      acknowledged.set(id, body)
      Queue.offerUnsafe(progress, undefined)
      return true
    } catch (error) {
      if (!isError(error, notReached) && !isError(error, cutOff)) throw error
      counts.notReached += 1
      return false
    }
  }
  const sendUntilAcknowledged = async (person: Person, id: string, first = 0) => {
    for (let attempt = first; !(await send(moved(person, attempt), id)); attempt++) await pause()
  }

  /** Sends one message after the other. Every second failed one is not sent again. */
  const sender = async (index: number) => {
    const person = index % 2 === 0 ? ada : grace
    let leaves = true
    for (let attempt = index; !isOver; attempt++) {
      const id = randomUUID()
      sent.set(id, `${index}: ${id}`)
      const isAcknowledged = await send(moved(person, attempt), id)
      await pause()
      if (isAcknowledged) continue
      if (!leaves) await sendUntilAcknowledged(person, id, attempt + 1)
      leaves = !leaves
    }
  }

  /** Follows the conversation from its beginning to the last message, and returns the copy. */
  const subscriber = async (person: Person, encoding: Encoding, index: number) => {
    let copy = new Copy(undefined, [])
    for (let attempt = index; copy.messages.at(-1)?.id !== last; attempt++) {
      const { server, token = "" } = moved(person, attempt)
      const source = { fetch, url: server.url + messages, token }
      try {
        for await (const update of told(source, encoding, copy.version, abort.signal)) {
          // A resume brings the updates since, never another snapshot.
          assert.strictEqual("page" in update, copy.version === undefined)
          copy = copy.with(update)
          if (copy.messages.at(-1)?.id === last) break
        }
      } catch (error) {
        if (error instanceof Refused && error.status === 503) counts.unavailable += 1
        else if (isError(error, notReached)) counts.notReached += 1
        else if (isError(error, cutOff)) counts.cutOff += 1
        else throw error
        await pause()
      }
    }
    return copy
  }

  const running = <A>(work: () => Promise<A>) =>
    Effect.promise(work).pipe(
      Effect.tapCause((cause) => Queue.failCause(progress, cause)),
      Effect.forkScoped
    )
  const subscribers = yield* Effect.forEach(encodings, (encoding, index) =>
    running(() => subscriber(index % 2 === 0 ? ada : grace, encoding, index))
  )
  const sending = yield* Effect.forEach(Arrays.range(1, senders), (index) => running(() => sender(index)))

  return {
    ada,
    grace,
    messages,
    /** How often clients were refused or cut off so far. */
    counts,
    /** Waits for more acknowledgements, including those of messages on their way. */
    acknowledges: (count: number) => Effect.andThen(Queue.clear(progress), Queue.takeN(progress, count)),
    /**
     * Ends the sending, and counts. Messages that were not acknowledged are sent once more, and must be accepted. Then each
     * message is in the database exactly once, at its acknowledged position, and every subscriber has received each exactly
     * once and in the same order.
     */
    settle: Effect.gen(function* () {
      isOver = true
      yield* Effect.forEach(sending, Fiber.join, { discard: true })
      const unacknowledged = [...sent.keys()].filter((id) => !acknowledged.has(id))
      yield* Effect.promise(async () => {
        // The content names the sender.
        for (const id of unacknowledged) {
          await sendUntilAcknowledged(Number.parseInt(sent.get(id) ?? "") % 2 === 0 ? ada : grace, id)
        }
        sent.set(last, "that is all")
        await sendUntilAcknowledged(ada, last)
      })
      const copies = yield* Effect.forEach(subscribers, Fiber.join)

      const sql = yield* PgClient.makeClient({ url: database, applicationName: "test" })
      const [, conversation = ""] = /conversations\/([^/]+)/.exec(messages) ?? []
      const rows = yield* sql<{ id: string; seq: number; content: string }>`
        SELECT id, seq::int AS seq, content FROM chat_messages WHERE conversation_id = ${conversation} ORDER BY seq`
      assert.deepStrictEqual(
        rows.map(({ seq }) => seq),
        Arrays.range(1, sent.size)
      )
      for (const { content, id, seq } of rows) {
        assert.strictEqual(content, sent.get(id))
        assert.strictEqual(acknowledged.get(id)?.seq, seq)
      }
      for (const copy of copies) {
        assert.deepStrictEqual(
          copy.messages.map(({ content, id, seq }) => ({ id, seq, content })),
          rows.map(({ content, id, seq }) => ({ id, seq, content }))
        )
      }
      return { messages: rows.length, unacknowledged: unacknowledged.length, ...counts }
    }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))
  }
})
