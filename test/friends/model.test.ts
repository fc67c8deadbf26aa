import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Predicate, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { signedIn, TestServer } from "../../src/testing/index.ts"
import { acting, call, strangers, type Answer, type Three } from "./caller.ts"
import { anyActs, everybody, Model, type Outcome, type Person, type Picture } from "./model.ts"

class People extends Context.Service<People, Three>()("test/People") {
  static readonly layer = Layer.effect(People, Effect.all([signedIn(), signedIn(), signedIn()]))
}

const Profiles = Schema.Array(Schema.Struct({ id: Schema.String }))
const Lists = Schema.Struct({
  friends: Schema.optionalKey(Profiles),
  blocks: Schema.optionalKey(Profiles),
  requests: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        status: Schema.Literal("pending"),
        direction: Schema.Literals(["incoming", "outgoing"]),
        user: Schema.Struct({ id: Schema.String })
      })
    )
  )
})

const outcomeOf = ({ body, status }: Answer): Outcome => {
  if (status === 204) return [204]
  const says = status >= 400 ? "type" : "status"
  return [status, Predicate.hasProperty(body, says) ? String(body[says]) : "nothing"]
}

layer(Layer.provideMerge(People.layer, TestServer.layer))("The relations between people", (it) => {
  it.effect.prop(
    "are those of a model, in every answer and every list, whatever they do",
    { acts: anyActs },
    ({ acts }) =>
      Effect.gen(function* () {
        const people = yield* People
        const sql = yield* SqlClient.SqlClient
        yield* strangers
        const model = new Model()
        const send = acting(people)
        const numberOf = (id: string) => everybody.find((person) => people[person].id === id) ?? assert.fail(id)

        const listed = Effect.fnUntraced(function* (
          person: Person
        ): Effect.fn.Return<Picture, Schema.SchemaError, TestServer> {
          const [friends, blocks, incoming, outgoing] = yield* Effect.forEach(
            ["", "/blocks", "/requests?direction=incoming", "/requests?direction=outgoing"],
            (list) =>
              Effect.flatMap(call(people[person], "GET", `/friends${list}`), ({ body }) =>
                Schema.decodeUnknownEffect(Lists)(body)
              ),
            { concurrency: "unbounded" }
          )
          const numbers = (ids: ReadonlyArray<{ readonly id: string }> = []) => ids.map(({ id }) => numberOf(id)).sort()
          return {
            friends: numbers(friends?.friends),
            blocks: numbers(blocks?.blocks),
            incoming: numbers(incoming?.requests?.map(({ user }) => user)),
            outgoing: numbers(outgoing?.requests?.map(({ user }) => user))
          }
        })

        for (const [index, act] of acts.entries()) {
          const done = JSON.stringify(acts.slice(0, index + 1))
          const due = model.act(act)
          const answer = yield* send(act)
          assert.deepStrictEqual(answer && outcomeOf(answer), due, done)
          for (const person of [act.by, act.to]) {
            assert.deepStrictEqual(yield* listed(person), model.picture(person), `${person} after ${done}`)
          }
        }
        const rows = yield* sql<{ count: number }>`SELECT count(*)::int AS count FROM friend_requests`
        assert.isAtMost(rows[0]?.count ?? 0, 3)
        const direct = yield* sql<{ low: string; high: string }>`
          SELECT direct_low AS low, direct_high AS high FROM conversations`
        assert.sameMembers(
          direct.map(({ high, low }) => Model.pair(numberOf(low), numberOf(high))),
          [...model.conversations]
        )
      }),
    { arbitrary: { runs: 40 }, timeout: 120_000 }
  )
})
