import { assert, layer } from "@effect/vitest"
import { Arbitrary, Context, Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { signedIn, TestServer } from "../../src/testing/index.ts"
import { acting, call, strangers, type Three } from "../friends/caller.ts"
import { anyActs, everybody, type Act, type Person } from "../friends/model.ts"
import { encodings } from "../../src/conformance/Subscriber.ts"
import { inboxOf, subscribe, type Subscriber } from "./subscriber.ts"

class People extends Context.Service<People, Three>()("test/People") {
  static readonly layer = Layer.effect(People, Effect.all([signedIn(), signedIn(), signedIn()]))
}

const anyEncoding = Arbitrary.schema(Schema.Literals(encodings))

const live = Layer.provideMerge(People.layer, TestServer.layer)

layer(live, { excludeTestServices: true })("Friends, requests and blocks in an inbox", (it) => {
  it.effect("are empty at first, and always part of a whole inbox", () =>
    Effect.gen(function* () {
      const page = yield* inboxOf(yield* signedIn())
      assert.deepStrictEqual(page, {
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
    })
  )

  it.effect("are the same as in their own lists", () =>
    Effect.gen(function* () {
      const [ada, ...others] = [yield* signedIn(), yield* signedIn(), yield* signedIn(), yield* signedIn()]
      const [friend, asking, asked] = others
      for (const { id } of [friend!, asked!]) yield* call(ada, "POST", "/friends/requests", { to: id })
      for (const other of [friend!, asking!]) {
        yield* call(other, "POST", "/friends/requests", { to: ada.id, message: "It is me" })
      }
      yield* call(ada, "PUT", `/friends/blocks/${(yield* signedIn()).id}`)
      const { blocks, friends, requests } = yield* inboxOf(ada)
      const listed = (path: string, list: string) =>
        Effect.map(call(ada, "GET", `/friends${path}`), ({ body }) => (body as Record<string, unknown>)[list])
      assert.deepStrictEqual(friends, yield* listed("", "friends"))
      assert.deepStrictEqual(blocks, yield* listed("/blocks", "blocks"))
      assert.deepStrictEqual(requests, [
        ...((yield* listed("/requests?direction=incoming", "requests")) as ReadonlyArray<unknown>),
        ...((yield* listed("/requests?direction=outgoing", "requests")) as ReadonlyArray<unknown>)
      ])
      assert.lengthOf(friends ?? [], 1)
      assert.lengthOf(requests ?? [], 2)
      assert.lengthOf(blocks ?? [], 1)
    })
  )

  it.effect.prop(
    "equal those of a plain GET, whatever people do, after every resume and in every encoding",
    { acts: anyActs, encoding: anyEncoding, resumed: anyEncoding },
    ({ acts, encoding, resumed }) =>
      Effect.gen(function* () {
        const people = yield* People
        yield* strangers
        const act = acting(people)
        const subscribers = yield* Effect.forEach(everybody, (person) => subscribe(people[person], encoding))
        const copies: Array<readonly [Person, Pick<Subscriber, "version" | "page">]> = []
        for (const [index, deed] of acts.entries()) {
          yield* act(deed)
          if (index % 5 !== 0) continue
          for (const person of everybody) {
            const subscriber = subscribers[person]!
            const page = yield* inboxOf(people[person])
            yield* Effect.promise(() => subscriber.reach(page))
            copies.push([person, { version: subscriber.version, page: subscriber.page }])
          }
        }
        for (const [person, copy] of copies.slice(-6)) {
          const subscriber = yield* subscribe(people[person], resumed, copy)
          const page = yield* inboxOf(people[person])
          yield* Effect.promise(() => subscriber.reach(page))
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 16 }, timeout: 120_000 }
  )

  // Each act happens while the second of three people listens, who must not see it.
  const unseen: Record<string, { readonly before: ReadonlyArray<Act>; readonly then: ReadonlyArray<Act> }> = {
    "that they are blocked": { before: [], then: [{ deed: "Block", by: 0, to: 1 }] },
    "a block by the recipient of a request": {
      before: [{ deed: "Ask", by: 1, to: 0 }],
      then: [{ deed: "Block", by: 0, to: 1 }]
    },
    "a declined request": {
      before: [{ deed: "Ask", by: 1, to: 0 }],
      then: [{ deed: "Decline", by: 0, to: 1 }]
    },
    "the end of a block": {
      before: [
        { deed: "Block", by: 0, to: 1 },
        { deed: "Ask", by: 1, to: 0 }
      ],
      then: [{ deed: "Unblock", by: 0, to: 1 }]
    }
  }

  for (const [what, { before, then }] of Object.entries(unseen)) {
    for (const encoding of encodings) {
      it.effect(
        `do not reveal ${what}, nor its time, even if a long transaction makes them be read again (${encoding})`,
        () =>
          Effect.gen(function* () {
            const people = yield* People
            const sql = yield* SqlClient.SqlClient
            yield* strangers
            const act = acting(people)
            const [held, mayEnd] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
            const long = yield* sql`SELECT pg_current_xact_id()::text`.pipe(
              Effect.andThen(Deferred.succeed(held, undefined)),
              Effect.andThen(Deferred.await(mayEnd)),
              sql.withTransaction,
              Effect.forkChild
            )
            yield* Effect.raceFirst(Deferred.await(held), Fiber.join(long))
            for (const deed of before) yield* act(deed)
            const subscriber = yield* subscribe(people[1], encoding)
            yield* Effect.promise(() => subscriber.next())
            const known = subscriber.page
            for (const deed of then) yield* act(deed)
            assert.deepStrictEqual(yield* inboxOf(people[1]), known)
            yield* act({ deed: "Ask", by: 2, to: 1 })
            const page = yield* Effect.promise(() => subscriber.next())
            assert.deepStrictEqual(page, yield* inboxOf(people[1]))
            assert.notDeepEqual(page, known)
            yield* Deferred.succeed(mayEnd, undefined)
            yield* Fiber.join(long)
          })
      )
    }
  }

  it.effect("also come when their hint was lost", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const subscriber = yield* subscribe(ada, "lines")
      yield* Effect.promise(() => subscriber.next())
      // As if another process did it, and its hints got lost.
      yield* Effect.gen(function* () {
        yield* sql`INSERT INTO friend_requests (from_user_id, to_user_id) VALUES (${grace.id}, ${ada.id})`
        yield* sql`INSERT INTO people_revisions (user_id) VALUES (${ada.id})`
      }).pipe(sql.withTransaction)
      const { requests } = yield* Effect.promise(() => subscriber.next())
      assert.lengthOf(requests ?? [], 1)
    })
  )
})
