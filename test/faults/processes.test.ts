import { assert, describe, it } from "@effect/vitest"
import { Array as Arrays, Effect, Exit, Fiber, Random, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { TestDatabase } from "../../src/testing/index.ts"
import { Person, twoPeople } from "../../src/conformance/Client.ts"
import { messageOf, subscribe } from "../../src/conformance/Stream.ts"
import { proxy } from "../process/tcp.ts"
import { hasRedis, startRedis } from "../redisServer.ts"
import { startServer } from "../serverProcess.ts"
import { ownPostgres } from "./postgres.ts"

const start = (url: Redacted.Redacted, env: Record<string, string> = {}) => startServer("node", url, env)
type Running = Effect.Success<ReturnType<typeof start>>

/**
 * Subscribes, and returns a function that waits for messages on this one subscription, which must not end, leave out a
 * message, repeat one or change their order.
 */
const arrivals = Effect.fnUntraced(function* (person: Person, messages: string) {
  const stream = yield* Effect.acquireRelease(
    Effect.promise(() => subscribe(person, messages)),
    (stream) => Effect.promise(() => stream[Symbol.asyncDispose]())
  )
  const snapshot = yield* Effect.promise(() => stream.snapshot())
  const arrived = new Set<string>()
  let position = Number(snapshot.version[0])
  return async (ids: ReadonlyArray<string>) => {
    while (!ids.every((id) => arrived.has(id))) {
      const [update] = await stream.updates(1)
      assert(update?._tag === "Patches")
      const { id, seq } = messageOf(update)
      assert.strictEqual(seq, ++position)
      arrived.add(id)
    }
  }
})

/** A conversation: Grace sends to one process, and Ada subscribes at the other. */
const conversing = Effect.fnUntraced(function* (sender: Running, receiver: Running) {
  const { ada, grace, messages } = yield* Effect.promise(() => twoPeople({ url: sender.baseUrl }))
  const adaThere = new Person({ url: receiver.baseUrl }, { token: ada.token ?? "", user: ada.user, expiresAt: "" })
  const arrived = yield* arrivals(adaThere, messages)
  const acknowledged = new Set<string>()

  const sendOnce = Effect.fnUntraced(function* (id: string) {
    const { status } = yield* Effect.tryPromise(() => grace.put(`${messages}/${id}`, { content: `message ${id}` }))
    if (status > 201) return yield* Effect.fail(`answered ${status}`)
    acknowledged.add(id)
  })
  const send = Effect.suspend(() => sendOnce(randomUUID()))
  const sendUntilAcknowledged = Effect.suspend(() => Effect.retry(sendOnce(randomUUID()), Schedule.spaced("50 millis")))
  const sends = (count: number) =>
    Effect.forEach(Arrays.range(1, count), () => sendUntilAcknowledged, { concurrency: 8, discard: true })
  /** Waits for all acknowledged messages. */
  const arrive = Effect.promise(() => arrived([...acknowledged]))

  return {
    /** Sends messages, some at once, each until it is acknowledged. */
    sends,
    arrive,
    /** Sends without end, some at once; fails with the first failed send. */
    traffic: Effect.forEach(Arrays.range(1, 8), () => Effect.forever(send), { concurrency: "unbounded" }),
    /** Waits for all messages sent before, during and after a disturbance. */
    during: Effect.fnUntraced(function* <A, E, R>(disturbance: Effect.Effect<A, E, R>) {
      const traffic = yield* Effect.forkChild(
        Effect.forEach(Arrays.range(1, 8), () => Effect.forever(sendUntilAcknowledged), { concurrency: "unbounded" })
      )
      yield* sends(20)
      yield* disturbance
      yield* sends(20)
      yield* Fiber.interrupt(traffic)
      yield* arrive
    }),
    /** Sends each message after the arrival of the one before, which by the sweep alone would take 50 seconds. */
    converse: Effect.repeat(Effect.andThen(sends(1), arrive), { times: 9 })
  }
})

/** Two processes on the database of the test. */
const twoProcesses = Effect.fnUntraced(function* (url: Redacted.Redacted, env?: Record<string, string>) {
  const [sender, receiver] = yield* Effect.all([start(url, env), start(url, env)], { concurrency: 2 })
  return { sender, ...(yield* conversing(sender, receiver)) }
})

/** Ends the connections of XFChat whose last statement matches, as an administrator would; returns their number. */
const terminate = Effect.fnUntraced(function* (pattern: string) {
  const sql = yield* SqlClient.SqlClient
  const ended = yield* sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'xfchat' AND pid <> pg_backend_pid() AND query ~ ${pattern}`
  return ended.length
})
const terminateListeners = terminate("^LISTEN|pg_notify")

describe("Two processes on one database", () => {
  it.live("deliver a message sent to one to the subscribers of the other at once", () =>
    Effect.gen(function* () {
      const { converse } = yield* twoProcesses((yield* TestDatabase).url)
      yield* converse
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("deliver everything while their listening connections are cut, and listen again", () =>
    Effect.gen(function* () {
      const { converse, during } = yield* twoProcesses((yield* TestDatabase).url)
      yield* during(Effect.map(terminateListeners, (count) => assert.strictEqual(count, 2)))
      yield* converse
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("deliver everything while all connections are cut", () =>
    Effect.gen(function* () {
      const { converse, during } = yield* twoProcesses((yield* TestDatabase).url)
      yield* during(Effect.map(terminate(""), (count) => assert.isAbove(count, 2)))
      yield* converse
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("deliver everything while PostgreSQL is restarted", () =>
    Effect.gen(function* () {
      const { restart, url } = yield* ownPostgres
      const { converse, during } = yield* twoProcesses(url)
      yield* during(restart)
      yield* converse
    }).pipe(Effect.scoped)
  )

  it.live(
    "read what they missed as soon as they listen again",
    () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const between = yield* proxy(url)
        const [sender, receiver] = yield* Effect.all([start(url), start(between.url)], { concurrency: 2 })
        const { arrive, sends } = yield* conversing(sender, receiver)
        const miss = Effect.gen(function* () {
          yield* between.breakDown
          yield* sends(1)
          yield* between.triedInVain
          yield* between.recover
          yield* arrive
        })
        // By the sweeps alone, each but the first would take 25 seconds.
        yield* Effect.repeat(miss, { times: 4 })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer)),
    95_000
  )
})

describe("A process that is killed", () => {
  it.live("at any moment has acknowledged only what arrives at the other", () =>
    Effect.gen(function* () {
      const { arrive, sender, sends, traffic } = yield* twoProcesses((yield* TestDatabase).url)
      const ended = yield* Effect.forkChild(Effect.exit(traffic))
      yield* sends(yield* Random.nextIntBetween(20, 200))
      yield* sender.kill("SIGKILL")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(ended)))
      yield* arrive
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("between a commit and its hint delays the message, and loses nothing", () =>
    Effect.gen(function* () {
      const { arrive, sender, sends } = yield* twoProcesses((yield* TestDatabase).url)
      // The process connects again for hints no earlier than in 100 ms.
      yield* terminateListeners
      yield* sends(1)
      yield* sender.kill("SIGKILL")
      yield* arrive
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})

describe.skipIf(!hasRedis)("Two processes with a Redis (needs redis-server in PATH, or REDIS_URL)", () => {
  it.live("deliver at once by Redis alone, and deliver everything while it is away", () =>
    Effect.gen(function* () {
      const redis = yield* Effect.flatMap(startRedis, proxy)
      const { converse, during } = yield* twoProcesses((yield* TestDatabase).url, {
        REDIS_URL: Redacted.value(redis.url)
      })
      assert.strictEqual(yield* terminateListeners, 0, "what arrives at once does so by Redis alone")
      yield* converse
      yield* during(Effect.andThen(redis.breakDown, redis.triedInVain))
      yield* redis.recover
      yield* converse
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
