import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { call } from "../friends/caller.ts"
import { encodings, poll } from "../../src/conformance/Subscriber.ts"
import { inboxOf, subscribe } from "./subscriber.ts"

/** A new group of a person, with other participants. */
const groupOf = Effect.fnUntraced(function* (owner: TestUser, ...others: ReadonlyArray<TestUser>) {
  const participantIds = others.map(({ id }) => id)
  const { body } = yield* call(owner, "POST", "/conversations", { participantIds })
  return (body as { readonly id: string }).id
})

/** Ada, in two groups of Grace's. */
const world = Effect.gen(function* () {
  const [ada, grace] = [yield* signedIn(), yield* signedIn()]
  const [group, other] = [yield* groupOf(grace, ada), yield* groupOf(grace, ada)]
  return { ada, grace, group, other }
})

type World = Effect.Success<typeof world>

/** How a conversation ceases to be Ada's. */
const losses: Record<string, (world: World) => Effect.Effect<unknown, never, TestServer>> = {
  "they were removed from": ({ ada, grace, group }) =>
    call(grace, "DELETE", `/conversations/${group}/participants/${ada.id}`),
  "they left on another device": ({ ada, group }) =>
    call(ada, "DELETE", `/conversations/${group}/participants/${ada.id}`),
  "was deleted": ({ grace, group }) => call(grace, "DELETE", `/conversations/${group}`)
}

layer(TestServer.layer, { excludeTestServices: true })("A client that follows an inbox", (it) => {
  for (const [how, lose] of Object.entries(losses)) {
    for (const encoding of encodings) {
      it.effect(`learns at once of a conversation that ${how}, live and after a resume (${encoding})`, () =>
        Effect.gen(function* () {
          const ours = yield* world
          const there = yield* subscribe(ours.ada, encoding)
          yield* Effect.promise(() => there.next())
          const { page, version } = there
          assert.sameMembers([...(page?.conversationIds ?? [])], [ours.group, ours.other])
          yield* lose(ours)
          const now = yield* inboxOf(ours.ada)
          assert.deepStrictEqual(now.conversationIds, [ours.other])
          yield* Effect.promise(() => there.reach(now))

          const back = yield* subscribe(ours.ada, encoding, { version, page })
          yield* Effect.promise(() => back.next())
          assert.deepStrictEqual(back.page, now)
        })
      )
    }
  }

  it.effect("continues from the version of a plain GET", () =>
    Effect.gen(function* () {
      const ours = yield* world
      const { body, headers } = yield* call(ours.ada, "GET", "/inbox")
      const from = { version: headers["version"]?.replaceAll('"', ""), page: body as typeof page }
      yield* call(ours.grace, "DELETE", `/conversations/${ours.group}`)
      const page = yield* inboxOf(ours.ada)
      for (const encoding of encodings) {
        const subscriber = yield* subscribe(ours.ada, encoding, from)
        yield* Effect.promise(() => subscriber.next())
        assert.deepStrictEqual(subscriber.page, page)
      }
    })
  )

  it.effect("waits by long poll while nothing is new, even if a long transaction makes it read everything again", () =>
    Effect.gen(function* () {
      const { ada, grace, group } = yield* world
      const { baseUrl, fetch } = yield* TestServer
      const sql = yield* SqlClient.SqlClient
      const source = { fetch, url: `${baseUrl}/api/inbox`, token: ada.token }
      const ask = (version?: string) => Effect.promise(() => poll(source, "1s", version))
      yield* Effect.gen(function* () {
        yield* sql`SELECT pg_current_xact_id()::text`
        const { version: before } = yield* ask()
        yield* call(grace, "PATCH", `/conversations/${group}`, { name: "Looms" })
        const { updates, version } = yield* ask(before)
        assert.lengthOf(updates, 1)
        assert.deepStrictEqual(yield* ask(version), { updates: [], version })
        yield* call(grace, "PATCH", `/conversations/${group}`, { name: "Engines" })
        assert.lengthOf((yield* ask(version)).updates, 1)
      }).pipe(sql.withTransaction)
    })
  )

  it.effect("gets everything for a version that no inbox has had", () =>
    Effect.gen(function* () {
      const { ada } = yield* world
      const page = yield* inboxOf(ada)
      for (const encoding of encodings) {
        for (const version of ["57", "57.1", "0.1.1.1", "999999999999999.1.1.1", "9999999999999999999.1.1.1"]) {
          const subscriber = yield* subscribe(ada, encoding, { version, page: undefined })
          yield* Effect.promise(() => subscriber.next())
          assert.deepStrictEqual(subscriber.page, page)
        }
      }
    })
  )
})
