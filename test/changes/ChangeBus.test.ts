import { assert, describe, it } from "@effect/vitest"
import {
  Array as Arrays,
  Context,
  Duration,
  Effect,
  Equal,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Schedule,
  Scope,
  Stream
} from "effect"
import { randomUUID } from "node:crypto"
import { UserId } from "../../src/contract/Account.ts"
import * as Database from "../../src/database/Database.ts"
import { ConversationId, Position } from "../../src/contract/Conversation.ts"
import { ChangeHint, decodeHints, encodeHints } from "../../src/changes/ChangeHint.ts"
import { ChangeBus } from "../../src/changes/ChangeBus.ts"
import type { ChangeChannel } from "../../src/changes/ChangeChannel.ts"
import { connectPostgres } from "../../src/changes/PostgresChannel.ts"
import { connectRedis } from "../../src/changes/RedisChannel.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { freePort, proxy } from "../process/tcp.ts"
import { hasRedis, startRedis } from "../redisServer.ts"

/** A way to carry hints between processes. */
interface Carrier {
  readonly name: string
  readonly isMissing?: boolean
  readonly url: Effect.Effect<Redacted.Redacted, unknown, TestDatabase | Scope.Scope>
  readonly layer: (url: Redacted.Redacted) => Layer.Layer<ChangeBus, unknown>
  readonly connect: (url: Redacted.Redacted) => Effect.Effect<ChangeChannel, unknown, Scope.Scope>
}

const carriers: ReadonlyArray<Carrier> = [
  {
    name: "PostgreSQL",
    url: Effect.map(TestDatabase, ({ url }) => url),
    layer: (url) => ChangeBus.layer.pipe(Layer.provide(Database.layerUnchecked({ url }))),
    connect: (url) => connectPostgres({ url })
  },
  {
    name: "Redis (needs redis-server in PATH, or REDIS_URL)",
    isMissing: !hasRedis,
    url: startRedis,
    layer: ChangeBus.layerRedis,
    connect: connectRedis
  }
]

const aConversation = () => ConversationId.make(randomUUID())
const change = (conversationId: ConversationId, head: number) =>
  ChangeHint.Log({ conversationId, head: Position.make(head) })
const aPerson = () => UserId.make(randomUUID())

/** The bus of a process. */
const start = (layer: Layer.Layer<ChangeBus, unknown>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), Context.get(ChangeBus))

const misses = ({ missed }: ChangeBus["Service"]) =>
  Effect.forkChild(Stream.runHead(missed), { startImmediately: true })

/** The bus of a process that hears the others from now on. */
const startListening = (layer: Layer.Layer<ChangeBus, unknown>) =>
  Effect.tap(start(layer), (bus) => Effect.flatMap(misses(bus), Fiber.join))

const aboutOf = (change: ChangeHint) => {
  if ("userId" in change) return change.userId
  return "conversationId" in change ? change.conversationId : undefined
}

/** Collects the hints about some conversations and people, up to the last one. */
const hears = ({ changes }: ChangeBus["Service"], of: ReadonlyArray<ConversationId | UserId>, last: ChangeHint) =>
  changes.pipe(
    Stream.filter((change) => of.some((id) => id === aboutOf(change))),
    Stream.takeUntil((change) => Equal.equals(change, last)),
    Stream.runCollect,
    Effect.forkChild({ startImmediately: true })
  )

for (const { connect, isMissing = false, layer, name, url } of carriers) {
  describe.skipIf(isMissing)(`ChangeBus by ${name}`, () => {
    it.live("reaches the listeners of every process, each once", () =>
      Effect.gen(function* () {
        const to = layer(yield* url)
        const [ours, other] = [yield* startListening(to), yield* startListening(to)]
        const [id, end] = [aConversation(), aConversation()]
        const heard = yield* Effect.forEach([ours, other], (bus) => hears(bus, [id, end], change(end, 1)))
        const isHeard = yield* hears(other, [id], change(id, 7))
        yield* ours.publish([change(id, 7)])
        yield* Fiber.join(isHeard)
        // If our own hint came back to us, it would come before this one.
        yield* other.publish([change(end, 1)])
        for (const fiber of heard) assert.deepStrictEqual(yield* Fiber.join(fiber), [change(id, 7), change(end, 1)])
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("measures how long its hints have been on their way, until they come back", () =>
      Effect.gen(function* () {
        const between = yield* proxy(yield* url)
        const bus = yield* startListening(layer(between.url))
        const isLate = Effect.map(bus.delay, (delay) => Duration.isGreaterThan(delay, Duration.zero))
        const often = Schedule.spaced("20 millis")
        yield* Effect.repeat(isLate, { while: (late) => late, schedule: often })
        yield* between.breakDown
        yield* between.triedInVain
        const before = yield* bus.delay
        assert.isTrue(yield* isLate)
        yield* Effect.repeat(bus.delay, { until: Duration.isGreaterThan(before), schedule: often })
        yield* between.recover
        yield* Effect.repeat(isLate, { while: (late) => late, schedule: often })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("carries any number of hints at once", () =>
      Effect.gen(function* () {
        const to = layer(yield* url)
        const [ours, other] = [yield* start(to), yield* startListening(to)]
        const changes = Arrays.makeBy(1_000, (index) => change(aConversation(), index + 1))
        const ids = changes.map(({ conversationId }) => conversationId)
        const heard = yield* hears(other, ids, Arrays.lastNonEmpty(changes))
        yield* ours.publish(changes)
        assert.deepStrictEqual(yield* Fiber.join(heard), changes)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("carries one hint for a person, however often they changed while it could not be sent", () =>
      Effect.gen(function* () {
        const direct = yield* url
        const between = yield* proxy(direct)
        const [ours, other] = [yield* startListening(layer(between.url)), yield* startListening(layer(direct))]
        const [first, second] = [UserId.make(randomUUID()), UserId.make(randomUUID())]
        const last = ChangeHint.Person({ userId: second })
        const heard = yield* hears(other, [first, second], last)
        yield* between.breakDown
        for (const userId of [first, first, first]) yield* ours.publish([ChangeHint.Person({ userId })])
        yield* between.triedInVain
        yield* ours.publish([last])
        yield* between.recover
        assert.deepStrictEqual(yield* Fiber.join(heard), [ChangeHint.Person({ userId: first }), last])
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("keeps the furthest head of each conversation while hints cannot be sent", () =>
      Effect.gen(function* () {
        const direct = yield* url
        const between = yield* proxy(direct)
        const [ours, other] = [yield* startListening(layer(between.url)), yield* startListening(layer(direct))]
        const [first, second] = [aConversation(), aConversation()]
        const heard = yield* hears(other, [first, second], change(second, 1))
        yield* between.breakDown
        for (const head of [1, 2, 3, 2]) yield* ours.publish([change(first, head)])
        yield* between.triedInVain
        yield* ours.publish([change(second, 1)])
        yield* between.recover
        assert.deepStrictEqual(yield* Fiber.join(heard), [change(first, 3), change(second, 1)])
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("keeps the last presence and typing of each person while hints cannot be sent", () =>
      Effect.gen(function* () {
        const direct = yield* url
        const between = yield* proxy(direct)
        const [ours, other] = [yield* startListening(layer(between.url)), yield* startListening(layer(direct))]
        const [conversationId, userId] = [aConversation(), aPerson()]
        const typing = (millis: number) => ChangeHint.Typing({ conversationId, userId, millis })
        const here = (millis: number) => ChangeHint.Presence({ userId, millis })
        const last = ChangeHint.Person({ userId })
        const heard = yield* hears(other, [userId], last)
        yield* between.breakDown
        yield* ours.publish([typing(6_000), here(50_000)])
        // These cannot be sent, and gather again with the later ones.
        yield* between.triedInVain
        yield* ours.publish([typing(0), here(15_000)])
        yield* between.recover
        yield* ours.publish([last])
        assert.sameDeepMembers(Arrays.dedupe(yield* Fiber.join(heard)), [typing(0), here(15_000), last])
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("reports that hints may have been missed once it listens again, and continues", () =>
      Effect.gen(function* () {
        const direct = yield* url
        const between = yield* proxy(direct)
        const [ours, other] = [yield* startListening(layer(between.url)), yield* startListening(layer(direct))]
        const [id, end] = [aConversation(), aConversation()]
        const missed = yield* misses(ours)
        const heard = yield* hears(ours, [id, end], change(end, 1))
        const isHeard = yield* hears(other, [id], change(id, 1))
        yield* between.breakDown
        yield* other.publish([change(id, 1)])
        yield* Fiber.join(isHeard)
        yield* between.triedInVain
        yield* between.recover
        yield* Fiber.join(missed)
        yield* other.publish([change(end, 1)])
        assert.deepStrictEqual(Arrays.last(yield* Fiber.join(heard)), Option.some(change(end, 1)))
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("ignores payloads that it does not know", () =>
      Effect.gen(function* () {
        const direct = yield* url
        const ours = yield* startListening(layer(direct))
        const stranger = yield* connect(direct)
        const id = aConversation()
        const heard = yield* hears(ours, [id], change(id, 5))
        yield* stranger.send([
          "",
          "no JSON",
          JSON.stringify({ version: 3, sender: "a later XFChat", changes: [change(id, 1)] }),
          JSON.stringify({ version: 2, sender: "a broken XFChat", changes: [{ ...change(id, 1), head: -1 }] }),
          ...encodeHints("another process", [change(id, 5)])
        ])
        assert.deepStrictEqual(yield* Fiber.join(heard), [change(id, 5)])
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("sends what it has gathered before it ends", () =>
      Effect.gen(function* () {
        const to = layer(yield* url)
        const scope = yield* Scope.make()
        const ours = yield* Scope.provide(startListening(to), scope)
        const other = yield* startListening(to)
        const id = aConversation()
        const heard = yield* hears(other, [id], change(id, 100))
        for (const head of Arrays.range(1, 100)) {
          yield* ours.publish([change(id, head)])
          yield* Effect.yieldNow
        }
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(Arrays.last(yield* Fiber.join(heard)), Option.some(change(id, 100)))
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("starts without a channel, and reaches this process at once", () =>
      Effect.gen(function* () {
        const nowhere = new URL(Redacted.value(yield* url))
        nowhere.port = String(yield* freePort)
        const ours = yield* start(layer(Redacted.make(nowhere.href)))
        const id = aConversation()
        const heard = yield* hears(ours, [id], change(id, 2))
        yield* ours.publish([change(id, 1), change(id, 2)])
        assert.deepStrictEqual(yield* Fiber.join(heard), [change(id, 1), change(id, 2)])
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  })
}

describe("A payload", () => {
  it("is smaller than 8,000 bytes, as PostgreSQL requires, whatever its hints", () => {
    const kinds: ReadonlyArray<() => ChangeHint> = [
      () => change(aConversation(), Number.MAX_SAFE_INTEGER),
      () => ChangeHint.Person({ userId: aPerson() }),
      () => ChangeHint.Participation({ conversationId: aConversation() }),
      () => ChangeHint.Presence({ userId: aPerson(), millis: 86_400_000 }),
      () => ChangeHint.Typing({ conversationId: aConversation(), userId: aPerson(), millis: 86_400_000 }),
      () => ChangeHint.RollCall()
    ]
    const changes = kinds.flatMap((make) => Arrays.makeBy(200, make))
    const payloads = encodeHints(randomUUID(), changes)
    for (const payload of payloads) assert.isBelow(Buffer.byteLength(payload), 8_000)
    const decoded = Arrays.getSomes(payloads.map(decodeHints)).flatMap(({ changes }) => changes)
    assert.deepStrictEqual(decoded, changes)
  })
})

describe("REDIS_URL", () => {
  const malformed = [
    "localhost:6379",
    "http://:hunter2@localhost",
    "redis://",
    "redis://:hunter%2@localhost",
    "redis://:hunter2@localhost/name"
  ]
  for (const url of malformed) {
    it.effect(`is refused at the start when it is ${url}, by a message that does not repeat it`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(ChangeBus.layerRedis(Redacted.make(url)))))
        assert.strictEqual(error._tag, "RedisUrlMalformed")
        assert.match(error.message, /^REDIS_URL is malformed\. .*redis:\/\//)
        assert.notInclude(error.message, "hunter")
      })
    )
  }
})
