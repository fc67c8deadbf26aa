import { assert, layer } from "@effect/vitest"
import { Arbitrary, Context, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../../src/contract/Account.ts"
import { maxParticipants, Position, Role, type ConversationId } from "../../src/contract/Conversation.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Participants } from "../../src/conversations/Participants.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { groupOf, headOf, nobody, people, post, refusal, systemMessages, wholeLog } from "../world.ts"

/** The participants and their roles in the database. */
const roles = Effect.fnUntraced(function* (id: ConversationId) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ user_id: UserId; role: Role }>`
    SELECT user_id, role FROM conversation_participants WHERE conversation_id = ${id}`
  return new Map(rows.map(({ role, user_id }) => [user_id, role]))
})

/** The participants and their roles that follow from the log and the first participants. */
const toldRoles = Effect.fnUntraced(function* (id: ConversationId, atFirst: ReadonlyArray<UserId>) {
  const told = new Map<UserId, Role>(atFirst.map((user) => [user, "member"]))
  for (const said of yield* systemMessages(id)) {
    switch (said.event) {
      case "created":
        told.set(said.by, "owner")
        break
      case "joined":
        assert.isFalse(told.has(said.user), "who joins was not there")
        told.set(said.user, "member")
        break
      case "left":
      case "removed":
        assert.isTrue(told.delete(said.user), "who goes was there")
        break
      case "roleChanged":
        assert.isTrue(told.has(said.user), "who gets a role is there")
        assert.notStrictEqual(told.get(said.user), said.role)
        told.set(said.user, said.role)
    }
  }
  return told
})

layer(TestServices)("Participants", (it) => {
  it.effect("are added by the owner and admins, as members", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, grace, eve, bob] = yield* people("ada", "grace", "eve", "bob")
      const id = yield* groupOf([ada])
      yield* participants.setRole(ada.id, id, grace.id, "admin")
      yield* participants.add(grace.id, id, eve.id)
      assert.strictEqual(yield* refusal(participants.add(eve.id, id, bob.id)), "Forbidden")
      assert.strictEqual(yield* refusal(participants.add(bob.id, id, bob.id)), "NotFound")
      assert.strictEqual(yield* refusal(participants.add(ada.id, id, nobody)), "NotFound")
      assert.deepStrictEqual(
        yield* roles(id),
        new Map<UserId, Role>([
          [ada.id, "owner"],
          [grace.id, "admin"],
          [eve.id, "member"]
        ])
      )
      assert.deepStrictEqual(yield* systemMessages(id), [
        { event: "created", by: ada.id },
        { event: "joined", by: ada.id, user: grace.id },
        { event: "roleChanged", by: ada.id, user: grace.id, role: "admin" },
        { event: "joined", by: grace.id, user: eve.id }
      ])
    })
  )

  it.effect("get their roles from the owner only", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, grace, eve, bob] = yield* people("ada", "grace", "eve", "bob")
      const id = yield* groupOf([ada, grace, eve])
      yield* participants.setRole(ada.id, id, grace.id, "admin")
      const before = yield* roles(id)
      for (const attempt of [
        participants.setRole(grace.id, id, eve.id, "admin"),
        participants.handOver(grace.id, id, grace.id),
        participants.setRole(grace.id, id, ada.id, "member"),
        participants.setRole(grace.id, id, bob.id, "admin"),
        participants.setRole(eve.id, id, eve.id, "admin"),
        // There is always an owner.
        participants.setRole(ada.id, id, ada.id, "member")
      ]) {
        assert.strictEqual(yield* refusal(attempt), "Forbidden")
      }
      assert.deepStrictEqual(yield* roles(id), before)
      yield* participants.setRole(ada.id, id, grace.id, "member")
      assert.strictEqual((yield* roles(id)).get(grace.id), "member")
    })
  )

  it.effect("have one owner, who becomes an admin by handing the group over", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* participants.handOver(ada.id, id, grace.id)
      assert.deepStrictEqual(
        yield* roles(id),
        new Map<UserId, Role>([
          [ada.id, "admin"],
          [grace.id, "owner"]
        ])
      )
      assert.deepStrictEqual((yield* systemMessages(id)).slice(1), [
        { event: "roleChanged", by: ada.id, user: ada.id, role: "admin" },
        { event: "roleChanged", by: ada.id, user: grace.id, role: "owner" }
      ])
    })
  )

  it.effect("are removed by the owner and, if they are members, by admins", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, grace, eve, bob] = yield* people("ada", "grace", "eve", "bob")
      const id = yield* groupOf([ada, grace, eve, bob])
      yield* participants.setRole(ada.id, id, grace.id, "admin")
      yield* participants.setRole(ada.id, id, eve.id, "admin")
      for (const [caller, user] of [
        [grace, ada],
        [grace, eve],
        [bob, grace],
        [bob, ada]
      ] as const) {
        assert.strictEqual(yield* refusal(participants.remove(caller.id, id, user.id)), "Forbidden")
      }
      yield* participants.remove(grace.id, id, bob.id)
      yield* participants.remove(grace.id, id, grace.id)
      yield* participants.remove(ada.id, id, eve.id)
      assert.deepStrictEqual([...(yield* roles(id)).keys()], [ada.id])
      assert.deepStrictEqual((yield* systemMessages(id)).slice(-3), [
        { event: "removed", by: grace.id, user: bob.id },
        { event: "left", user: grace.id },
        { event: "removed", by: ada.id, user: eve.id }
      ])
    })
  )

  it.effect("succeed an owner who leaves: the longest-standing admin, otherwise member", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, grace, eve, bob] = yield* people("ada", "grace", "eve", "bob")
      const id = yield* groupOf([ada])
      for (const person of [grace, eve, bob]) yield* participants.add(ada.id, id, person.id)
      yield* participants.setRole(ada.id, id, bob.id, "admin")
      yield* participants.remove(ada.id, id, ada.id)
      assert.strictEqual((yield* roles(id)).get(bob.id), "owner")
      yield* participants.remove(bob.id, id, bob.id)
      assert.strictEqual((yield* roles(id)).get(grace.id), "owner")
      assert.deepStrictEqual((yield* systemMessages(id)).slice(-2), [
        { event: "left", user: bob.id },
        { event: "roleChanged", by: bob.id, user: grace.id, role: "owner" }
      ])
    })
  )

  it.effect("end the group when the last of them leaves", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada] = yield* people("ada")
      const id = yield* groupOf([ada])
      yield* (yield* Participants).remove(ada.id, id, ada.id)
      assert.isEmpty(yield* sql`SELECT FROM conversations WHERE id = ${id} AND deleted_at IS NULL`)
    })
  )

  it.effect("take no position for a change that changes nothing", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, grace, eve] = yield* people("ada", "grace", "eve")
      const id = yield* groupOf([ada, grace])
      const before = [yield* roles(id), yield* headOf(ada, id)]
      yield* participants.add(ada.id, id, grace.id)
      yield* participants.setRole(ada.id, id, grace.id, "member")
      yield* participants.handOver(ada.id, id, ada.id)
      yield* participants.add(grace.id, id, ada.id)
      yield* participants.remove(ada.id, id, eve.id)
      assert.deepStrictEqual([yield* roles(id), yield* headOf(ada, id)], before)
    })
  )

  it.effect("join once when they are added ten times at once", () =>
    Effect.gen(function* () {
      const participants = yield* Participants
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada])
      yield* Effect.all(
        Array.from({ length: 10 }, () => participants.add(ada.id, id, grace.id)),
        {
          concurrency: "unbounded"
        }
      )
      assert.deepStrictEqual((yield* systemMessages(id)).slice(1), [{ event: "joined", by: ada.id, user: grace.id }])
    })
  )

  it.effect("never exceed the limit, even if many are added at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const participants = yield* Participants
      const [ada, ...others] = yield* people("ada", "grace", "eve", "bob")
      const id = yield* groupOf([ada])
      yield* sql`
        WITH made AS (
          INSERT INTO users (username, email, password_hash)
          SELECT 'crowd_' || n, 'crowd_' || n || '@example.com', ''
          FROM generate_series(1, ${maxParticipants - 3}::int) n
          RETURNING id
        )
        INSERT INTO conversation_participants (conversation_id, user_id) SELECT ${id}::uuid, id FROM made`
      const outcomes = yield* Effect.forEach(
        others,
        (person) =>
          participants
            .add(ada.id, id, person.id)
            .pipe(Effect.match({ onSuccess: () => "joined", onFailure: ({ _tag }) => _tag })),
        { concurrency: "unbounded" }
      )
      assert.sameMembers(outcomes, ["joined", "joined", "ParticipantLimitReached"])
      assert.strictEqual((yield* roles(id)).size, maxParticipants)
      yield* participants.setRole(ada.id, id, others[outcomes.indexOf("joined")]?.id ?? nobody, "admin")
    })
  )
})

/** The people of the random histories. The first are in the group from the beginning. */
class People extends Context.Service<People, readonly [TestUser, ...ReadonlyArray<TestUser>]>()("test/People") {
  static readonly layer = Layer.effect(People, people("ada", "grace", "eve", "bob", "joe"))
}

const Person = Schema.Literals([0, 1, 2, 3, 4])
const Attempt = Schema.Union([
  Schema.TaggedStruct("Put", { caller: Person, user: Person, role: Schema.optionalKey(Role) }),
  Schema.TaggedStruct("Remove", { caller: Person, user: Person }),
  Schema.TaggedStruct("Send", { caller: Person })
])
/** Batches that follow each other; the attempts of a batch happen at once. */
const anyAttempts = Arbitrary.array(Arbitrary.array(Arbitrary.schema(Attempt), { minLength: 1, maxLength: 4 }), {
  minLength: 4,
  maxLength: 12
})

layer(People.layer.pipe(Layer.provideMerge(TestServices)))("Whatever people do in a group", (it) => {
  it.effect.prop(
    "it has one owner, a log without gaps, and the participants that follow from the log",
    { attempts: anyAttempts },
    ({ attempts }) =>
      Effect.gen(function* () {
        const persons = yield* People
        const participants = yield* Participants
        const messages = yield* Messages
        const idOf = (person: number) => persons[person]?.id ?? nobody
        const atFirst = persons.slice(0, 3).map(({ id }) => id)
        const id = yield* groupOf([persons[0], ...persons.slice(1, 3)])

        const make = (attempt: typeof Attempt.Type): Effect.Effect<unknown, unknown, Messages> => {
          const caller = idOf(attempt.caller)
          switch (attempt._tag) {
            case "Put":
              return attempt.role === undefined
                ? participants.add(caller, id, idOf(attempt.user))
                : attempt.role === "owner"
                  ? participants.handOver(caller, id, idOf(attempt.user))
                  : participants.setRole(caller, id, idOf(attempt.user), attempt.role)
            case "Remove":
              return participants.remove(caller, id, idOf(attempt.user))
            case "Send":
              return post({ id: caller }, id, "hello")
          }
        }
        for (const batch of attempts) {
          // Refusals are fine, defects are not.
          yield* Effect.forEach(batch, (attempt) => Effect.ignore(make(attempt)), { concurrency: "unbounded" })
          const now = yield* roles(id)
          if (now.size === 0) break
          assert.deepStrictEqual(
            [...now.values()].filter((role) => role === "owner"),
            ["owner"]
          )
          assert.deepStrictEqual(yield* toldRoles(id, atFirst), now)
          const [head] = yield* messages.heads([id])
          assert.deepStrictEqual(
            (yield* wholeLog(id)).map(({ position }) => position),
            Array.from({ length: head?.head ?? 0 }, (_, index) => Position.make(index + 1))
          )
        }
      }),
    { arbitrary: { runs: 25 } }
  )
})
