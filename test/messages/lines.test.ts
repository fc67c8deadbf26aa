import { assert, layer } from "@effect/vitest"
import { Arbitrary, ConfigProvider, Context, Effect, Exit, Fiber, Layer, Predicate, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { ConversationId } from "../../src/contract/Conversation.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { TestServer, type TestUser } from "../../src/testing/index.ts"
import { Usage } from "../../src/usage/Usage.ts"
import { holding } from "../database/holding.ts"
import { assertDocumented } from "../../src/conformance/Documented.ts"
import { unlimited } from "../unlimited.ts"
import { groupOf, newId, people, post, text, wholeLog } from "../world.ts"
import { Copy, toldOfLog } from "../../src/conformance/Subscriber.ts"

interface Outcome {
  readonly status: number
  readonly version?: string
  readonly message?: { readonly id: string; readonly seq: number; readonly version: number; readonly content: unknown }
  readonly problem?: { readonly type: string; readonly errors?: unknown; readonly retryAfter?: number }
}

const serverWith = (environment: Record<string, string>) =>
  TestServer.layer.pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ ...process.env, ...unlimited, ...environment })))
  )

const ask = Effect.fnUntraced(function* (
  { token }: Pick<TestUser, "token">,
  method: string,
  path: string,
  body: string,
  type = "application/json"
) {
  const { baseUrl, fetch } = yield* TestServer
  return yield* Effect.promise(async () => {
    const headers = { authorization: `Bearer ${token}`, "content-type": type }
    const response = await fetch(`${baseUrl}/api${path}`, { method, headers, body })
    return { status: response.status, headers: response.headers, text: await response.text() }
  })
})

/** Sends lines, and gives the outcome of each, or of all. */
const sendLines = Effect.fnUntraced(function* (
  user: Pick<TestUser, "token">,
  conversationId: ConversationId,
  lines: ReadonlyArray<unknown>
) {
  const path = `/conversations/${conversationId}/messages`
  const body = lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("")
  const { headers, status, text } = yield* ask(user, "POST", path, body, "application/x-ndjson")
  const type = headers.get("content-type")
  const isOfAll = type === "application/problem+json"
  const parsed: unknown = isOfAll ? JSON.parse(text) : text
  assertDocumented("POST", `/api${path}`, { status, type, body: parsed })
  const outcomes: ReadonlyArray<Outcome> = isOfAll
    ? [{ status, problem: JSON.parse(text) }]
    : text
        .slice(0, -1)
        .split("\n")
        .map((line) => JSON.parse(line))
  return { status, headers, outcomes }
})

const statuses = (outcomes: ReadonlyArray<Outcome>) => outcomes.map(({ status }) => status)
const newLines = (count: number) => Array.from({ length: count }, (_, n) => ({ id: newId(), content: String(n) }))

const textsOf = (conversationId: ConversationId) =>
  Effect.map(wholeLog(conversationId), (log) =>
    log.flatMap(({ message }) => (message.messageType === "text" ? [message.content] : []))
  )

class People extends Context.Service<People, Effect.Success<typeof makePeople>>()("test/People") {}
const makePeople = people("ada", "grace")
const withPeople = (environment: Record<string, string> = {}) =>
  Layer.effect(People, makePeople).pipe(Layer.provideMerge(serverWith(environment)))

/** Which of the messages that a line may name: the first ones are there before. */
const known = ["sent", "edited", "erased", "of Grace", "elsewhere"] as const
const Which = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: known.length + 3 }))

const Line = Schema.Union([
  Schema.Struct({
    which: Which,
    content: Schema.Literals(["first", "second"]),
    replyTo: Schema.optionalKey(Which)
  }),
  Schema.Struct({
    which: Which,
    rest: Schema.Literals([
      '"content":',
      '"content":""}',
      '"content":"first","colour":"red"}',
      '"content":"first","messageType":"image"}',
      '"content":{"url":"https://example.com/a.png"},"messageType":"image"}'
    ])
  })
])
type Line = typeof Line.Type

/** A group of Ada and Grace with messages of all kinds. */
const makeLog = Effect.gen(function* () {
  const [ada, grace] = yield* People
  const [id, elsewhere] = [yield* groupOf([ada, grace]), yield* groupOf([ada])]
  const changes = yield* MessageChanges
  const [sent, edited, erased] = [
    yield* post(ada, id, "first"),
    yield* post(ada, id, "first"),
    yield* post(ada, id, "?")
  ]
  yield* changes.edit(ada.id, edited, "second")
  yield* changes.erase(ada.id, erased)
  const before = [sent, edited, erased, yield* post(grace, id, "first"), yield* post(ada, elsewhere, "first")]
  const ids = [...before.map(({ id }) => id), ...Array.from({ length: 4 }, newId)]
  const texts: ReadonlyArray<string> = ids
  const restOf = (line: Line) => {
    if ("rest" in line) return line.rest
    const replyTo = line.replyTo === undefined ? {} : { replyTo: ids[line.replyTo] }
    return JSON.stringify({ content: line.content, ...replyTo }).slice(1)
  }
  /** The same for each such log: without ids and times. */
  const anonymous = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (name, member: unknown) =>
      name === "detail" || name === "conversationId" || name.endsWith("At")
        ? undefined
        : Predicate.isString(member) && texts.includes(member)
          ? texts.indexOf(member)
          : member
    )
  return { ada, id, idOf: ({ which }: Line) => ids[which] ?? assert.fail(), restOf, anonymous }
})

layer(withPeople(), { excludeTestServices: true })("Lines of messages", (it) => {
  it.effect.prop(
    "have the outcomes, and leave the log, of single requests one after the other",
    [Arbitrary.array(Arbitrary.schema(Line), { minLength: 1, maxLength: 8 })],
    ([lines]) =>
      Effect.gen(function* () {
        const together = yield* makeLog
        const inTurn = yield* makeLog
        const { outcomes } = yield* sendLines(
          together.ada,
          together.id,
          lines.map((line) => `{"id":"${together.idOf(line)}",${together.restOf(line)}`)
        )
        const expected = yield* Effect.forEach(lines, (line) => {
          const path = `/conversations/${inTurn.id}/messages/${inTurn.idOf(line)}`
          return Effect.map(ask(inTurn.ada, "PUT", path, `{${inTurn.restOf(line)}`), ({ headers, status, text }) => ({
            status,
            ...(status < 300
              ? { version: headers.get("version")?.slice(1, -1), message: JSON.parse(text) }
              : { problem: JSON.parse(text) })
          }))
        })
        assert.deepStrictEqual(outcomes.map(together.anonymous), expected.map(inTurn.anonymous))
        // The first entry is the server's own.
        const logs = [(yield* wholeLog(together.id)).slice(1), (yield* wholeLog(inTurn.id)).slice(1)]
        assert.deepStrictEqual(together.anonymous(logs[0]), inTurn.anonymous(logs[1]))
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("come in their order among those of others, in answers, log and stream", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* People
      const { baseUrl, fetch } = yield* TestServer
      const id = yield* groupOf([ada, grace])
      const requests = Array.from({ length: 12 }, (_, n) => ({
        user: n % 2 === 0 ? ada : grace,
        lines: newLines(n * 7 + 1)
      }))
      const count = requests.reduce((sum, { lines }) => sum + lines.length, 0)
      const abort = new AbortController()
      const source = { fetch, url: `${baseUrl}/api/conversations/${id}/messages`, token: ada.token }
      const updates = toldOfLog(source, "lines", undefined, abort.signal)
      yield* Effect.promise(() => updates.next())
      const answers = yield* Effect.forEach(requests, ({ lines, user }) => sendLines(user, id, lines), {
        concurrency: "unbounded"
      })
      const seqs = answers.map(({ outcomes }) => outcomes.map(({ message }) => message?.seq ?? assert.fail()))
      for (const [index, { lines }] of requests.entries()) {
        assert.deepStrictEqual(
          answers[index]?.outcomes.map(({ message }) => message?.id),
          lines.map(({ id }) => id)
        )
        assert.deepStrictEqual(
          seqs[index],
          seqs[index]?.toSorted((a, b) => a - b)
        )
      }
      assert.sameMembers(
        seqs.flat(),
        Array.from({ length: count }, (_, n) => n + 2)
      )
      const copy = yield* Effect.promise(async () => {
        let copy = new Copy("1", [])
        for await (const update of updates) {
          copy = copy.with(update)
          if (copy.messages.at(-1)?.seq === count + 1) return copy
        }
        return assert.fail("the stream ended")
      })
      abort.abort()
      const bySeq = new Map(
        answers.flatMap(({ outcomes }) => outcomes.map(({ message }) => [message?.seq, message?.id]))
      )
      for (const { id, seq } of copy.messages) if (seq > 1) assert.strictEqual(id, bySeq.get(seq))
    })
  )

  it.effect("wait together for a conversation that is locked, behind those that came before", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* People
      const id = yield* groupOf([ada, grace])
      const [first, second] = [newLines(100), newLines(150)]
      const sending = yield* holding(
        (sql) => sql`SELECT FROM conversations WHERE id = ${id} FOR UPDATE`,
        (release) =>
          Effect.gen(function* () {
            const messages = yield* Messages
            const fork = { startImmediately: true }
            const all = [
              yield* Effect.forkChild(
                messages.sendAll(
                  ada.id,
                  id,
                  first.map((line) => ({ ...line, ...text(line.content) }))
                ),
                fork
              ),
              yield* Effect.forkChild(messages.send(ada.id, id, newId(), text("between")), fork),
              yield* Effect.forkChild(
                messages.sendAll(
                  ada.id,
                  id,
                  second.map((line) => ({ ...line, ...text(line.content) }))
                ),
                fork
              )
            ] as const
            yield* release
            return all
          })
      )
      for (const fiber of sending) assert.isTrue(Exit.isSuccess(yield* Fiber.await<unknown, unknown>(fiber)))
      assert.deepStrictEqual(yield* textsOf(id), [
        ...first.map(({ content }) => content),
        "between",
        ...second.map(({ content }) => content)
      ])
    })
  )

  it.effect(
    "are not stored in part if the server cannot store them now, and are stored once when they are sent again",
    () =>
      Effect.gen(function* () {
        const [ada, grace] = yield* People
        const id = yield* groupOf([ada, grace])
        const lines = newLines(256)
        const refused = yield* holding(
          (sql) => sql`SELECT FROM conversations WHERE id = ${id} FOR UPDATE`,
          () => sendLines(ada, id, lines)
        )
        assert.deepStrictEqual([refused.status, refused.outcomes[0]?.problem?.type], [503, "DatabaseUnavailable"])
        assert.isNotNull(refused.headers.get("retry-after"))
        assert.deepStrictEqual(yield* textsOf(id), [])
        const sent = yield* sendLines(ada, id, lines)
        const again = yield* sendLines(ada, id, lines)
        assert.deepStrictEqual([...new Set(statuses(sent.outcomes))], [201])
        assert.deepStrictEqual([...new Set(statuses(again.outcomes))], [200])
        assert.deepStrictEqual(
          again.outcomes.map(({ message }) => message),
          sent.outcomes.map(({ message }) => message)
        )
        assert.deepStrictEqual(
          yield* textsOf(id),
          lines.map(({ content }) => content)
        )
      })
  )

  it.effect("are answered with the versions by which they are edited and streams resume", () =>
    Effect.gen(function* () {
      const [ada] = yield* People
      const id = yield* groupOf([ada])
      const { outcomes } = yield* sendLines(ada, id, newLines(3))
      for (const { message, version } of outcomes) {
        const { headers } = yield* ask(
          ada,
          "PATCH",
          `/conversations/${id}/messages/${message?.id}`,
          '{"content":"edited"}'
        )
        assert.notStrictEqual(headers.get("version"), `"${version}"`)
        assert.strictEqual(version?.split("-").at(-1), String(message?.version))
      }
    })
  )

  it.effect("may be empty, and may end as on Windows or not at all; there are 1 to 256 messages", () =>
    Effect.gen(function* () {
      const [ada] = yield* People
      const id = yield* groupOf([ada])
      const path = `/conversations/${id}/messages`
      const [a, b] = newLines(2).map((line) => JSON.stringify(line))
      const sent = yield* ask(ada, "POST", path, `\r\n${a}\r\n\n${b}`, "application/x-ndjson")
      assert.strictEqual(sent.status, 200)
      assert.lengthOf(sent.text.trimEnd().split("\n"), 2)
      for (const lines of [[], ["", " "], newLines(257)]) {
        const { outcomes, status } = yield* sendLines(ada, id, lines)
        assert.deepStrictEqual([status, outcomes[0]?.problem?.type], [422, "ValidationFailed"])
      }
      assert.deepStrictEqual(yield* textsOf(id), ["0", "1"])
    })
  )

  it.effect("that are no messages have a problem each", () =>
    Effect.gen(function* () {
      const [ada] = yield* People
      const id = yield* groupOf([ada])
      const lines: ReadonlyArray<readonly [number, unknown]> = [
        [400, "{"],
        [422, "5"],
        [422, "[]"],
        [422, {}],
        [422, { content: "no id" }],
        [422, { id: "no UUID", content: "a" }],
        [422, { id: newId(), content: "a".repeat(65_537) }],
        [
          422,
          { id: newId(), content: "a", ...Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`m${n}`, n])) }
        ],
        [201, { id: newId(), content: "a message" }]
      ]
      const { outcomes, status } = yield* sendLines(
        ada,
        id,
        lines.map(([, line]) => line)
      )
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(
        statuses(outcomes),
        lines.map(([expected]) => expected)
      )
      assert.deepStrictEqual(yield* textsOf(id), ["a message"])
      const none = yield* sendLines(ada, id, ["{", {}])
      assert.deepStrictEqual([none.status, ...statuses(none.outcomes)], [200, 400, 422])
    })
  )

  it.effect("are answered within a bound, even if they were sent before and have become longer", () =>
    Effect.gen(function* () {
      const [ada] = yield* People
      const sql = yield* SqlClient.SqlClient
      const id = yield* groupOf([ada])
      const lines = newLines(40)
      yield* sendLines(ada, id, lines)
      const changes = yield* MessageChanges
      for (const line of lines) yield* changes.edit(ada.id, { conversationId: id, id: line.id }, "a".repeat(65_536))
      const first = yield* sendLines(ada, id, lines)
      const full = first.outcomes.findIndex(({ status }) => status !== 200)
      assert.isAbove(full, 15)
      assert.deepStrictEqual([...new Set(statuses(first.outcomes.slice(full)))], [503])
      const rest = yield* sendLines(ada, id, lines.slice(full, 2 * full))
      assert.deepStrictEqual([...new Set(statuses(rest.outcomes))], [200])
      yield* sql`DELETE FROM conversations WHERE id = ${id}`
    })
  )

  it.effect("count as one request and as so many messages", () =>
    Effect.gen(function* () {
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      const lines = newLines(10)
      yield* sendLines(ada, id, [...lines, "{"])
      yield* sendLines(ada, id, lines)
      const { counts } = yield* (yield* Usage).of(ada.id)
      assert.deepStrictEqual([counts.requests, counts.messagesSent, counts.contentBytes], [2, 10, 10])
    })
  )

  it.effect("into a conversation that the caller is not in are 404 as a whole", () =>
    Effect.gen(function* () {
      const [ada, grace] = yield* People
      const id = yield* groupOf([ada])
      const { outcomes, status } = yield* sendLines(grace, id, ["{", ...newLines(2)])
      assert.deepStrictEqual([status, outcomes[0]?.problem?.type], [404, "NotFound"])
    })
  )
})

layer(withPeople({ RATE_LIMIT_SENDING: "10" }))("Lines beyond a rate limit", (it) => {
  it.effect("are refused, and those before them are sent", () =>
    Effect.gen(function* () {
      const [ada] = yield* People
      const id = yield* groupOf([ada])
      const lines = newLines(13)
      const { headers, outcomes } = yield* sendLines(ada, id, lines)
      assert.deepStrictEqual(
        statuses(outcomes),
        lines.map((_, n) => (n < 10 ? 201 : 429))
      )
      assert.deepStrictEqual(outcomes.at(-1)?.problem?.type, "RateLimited")
      assert.strictEqual(outcomes.at(-1)?.problem?.retryAfter, 6)
      assert.strictEqual(headers.get("ratelimit-remaining"), "0")
      assert.strictEqual(headers.get("ratelimit-limit"), "10")
      assert.deepStrictEqual(
        yield* textsOf(id),
        lines.slice(0, 10).map(({ content }) => content)
      )
      const next = yield* sendLines(ada, id, lines.slice(10))
      assert.deepStrictEqual([next.status, next.headers.get("retry-after")], [429, "6"])
    })
  )
})

layer(withPeople({ QUOTA_MESSAGES_PER_MONTH: "5" }))("Lines beyond a quota", (it) => {
  it.effect("are refused unless they were sent before, and those before them are sent", () =>
    Effect.gen(function* () {
      const [ada] = yield* People
      const id = yield* groupOf([ada])
      const stored = newLines(3)
      yield* sendLines(ada, id, stored)
      const added = newLines(4)
      const { outcomes } = yield* sendLines(ada, id, [
        ...added.slice(0, 1),
        "{",
        ...stored,
        ...added.slice(1),
        ...stored
      ])
      assert.deepStrictEqual(statuses(outcomes), [201, 400, 200, 200, 200, 201, 429, 429, 200, 200, 200])
      assert.deepStrictEqual(outcomes[6]?.problem?.type, "QuotaExceeded")
      const none = yield* sendLines(ada, id, added.slice(2))
      assert.strictEqual(none.status, 429)
      assert.lengthOf(yield* textsOf(id), 5)
    })
  )
})
