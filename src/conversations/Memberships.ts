import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inSlices } from "../database/Slices.ts"
import { inTransaction } from "../database/Transaction.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import { Ownership } from "./Ownership.ts"
import { Removal } from "./Removal.ts"
import { SystemMessages, type Said } from "../messages/SystemMessages.ts"

/** Conversations that one transaction changes for a person, at most: each may have a thousand participants to look at. */
const mostAtOnce = 100

/** Before every id. */
const first = ConversationId.make("00000000-0000-0000-0000-000000000000")

/** What stands of a person in the conversations that they take part in. */
export class Memberships extends Context.Service<
  Memberships,
  {
    /**
     * Takes a person out of all their conversations. Part of the transaction that has marked their account as deleted; the
     * listeners are told when it has committed. Of many conversations, the rest follows in transactions of its own.
     *
     * They leave each group as they could have themselves: it is said in its log, and what they owned passes on. A direct
     * conversation stays as it is for the other one. A conversation without anybody left is removed.
     */
    readonly leaveAll: (userId: UserId) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
    /** Passes on the groups that a person owns, who stays in them and leads them no longer. */
    readonly passOnGroups: (userId: UserId) => Effect.Effect<void, DatabaseUnavailable>
    /**
     * Has the inboxes of the others look again at each conversation that this person is in: they may show the name or picture.
     * Part of the transaction that has changed it.
     */
    readonly showAnew: (userId: UserId) => Effect.Effect<void, SqlError.SqlError | Schema.SchemaError>
  }
>()("xfchat/conversations/Memberships") {
  static readonly layer = Layer.effect(
    Memberships,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const systemMessages = yield* SystemMessages
      const ownership = yield* Ownership
      const removal = yield* Removal

      const Slice = Schema.Struct({ userId: UserId, after: ConversationId, isOwner: Schema.Boolean })

      // By conversation_participants_user_id_idx and the primary key. In the order of ids, like every lock of several.
      const lockNext = SqlSchema.findAll({
        Request: Slice,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ after, isOwner, userId }) => sql`
          SELECT c.id FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id
          WHERE p.user_id = ${userId} AND p.conversation_id > ${after} AND (NOT ${isOwner} OR p.role = 'owner')
          ORDER BY p.conversation_id LIMIT ${mostAtOnce} FOR NO KEY UPDATE OF c`
      })

      const Departing = Schema.Struct({ userId: UserId, conversations: Schema.Array(ConversationId) })

      // By the primary keys. A statement after the locks, so that it sees what was committed before they were had.
      const findEmptied = SqlSchema.findAll({
        Request: Departing,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ conversations, userId }) => sql`
          SELECT c.id FROM unnest(${conversations}::uuid[]) AS c (id) WHERE NOT EXISTS (
            SELECT FROM conversation_participants o JOIN users u ON u.id = o.user_id
            WHERE o.conversation_id = c.id AND o.user_id <> ${userId} AND u.deleted_at IS NULL)`
      })

      // By the primary keys.
      const leaveGroups = SqlSchema.findAll({
        Request: Departing,
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ conversations, userId }) => sql`
          DELETE FROM conversation_participants p USING conversations c
          WHERE c.id = p.conversation_id AND NOT c.is_direct_message
            AND p.conversation_id = ANY(${conversations}::uuid[]) AND p.user_id = ${userId}
          RETURNING p.conversation_id AS id`
      })

      // By the primary key. Written as it is: an inbox shows what was written.
      const touchDirect = SqlSchema.findAll({
        Request: Schema.Array(ConversationId),
        Result: Schema.Struct({ id: ConversationId, head: Position }),
        execute: (ids) => sql`
          UPDATE conversations SET head = head WHERE id = ANY(${ids}::uuid[]) AND is_direct_message RETURNING id, head`
      })

      // By conversation_participants_user_id_idx and the primary key, in its order, like every lock of several.
      const revise = SqlSchema.findAll({
        Request: UserId,
        Result: Schema.Struct({ id: ConversationId }),
        execute: (userId) => sql`
          INSERT INTO conversation_revisions AS r (conversation_id)
          SELECT conversation_id FROM conversation_participants WHERE user_id = ${userId} ORDER BY conversation_id
          ON CONFLICT (conversation_id) DO UPDATE SET revision = r.revision + 1
          RETURNING conversation_id AS id`
      })

      const announce = (changed: ReadonlyArray<{ readonly id: ConversationId; readonly head: Position }>) =>
        Effect.forEach(changed, ({ head, id }) => systemMessages.announce(id, head), { discard: true })

      const showAnew = Effect.fn("Memberships.showAnew")(function* (userId: UserId) {
        yield* announce((yield* revise(userId)).map(({ id }) => ({ id, head: Position.make(0) })))
      })

      /** Leaves some conversations, those with the lowest ids after one. Gives the last, if there may be more. */
      const leaveSome = Effect.fnUntraced(function* (userId: UserId, after: ConversationId) {
        const found = (yield* lockNext({ userId, after, isOwner: false })).map(({ id }) => id)
        if (found.length === 0) return undefined
        const emptied = (yield* findEmptied({ userId, conversations: found })).map(({ id }) => id)
        const conversations = found.filter((id) => !emptied.includes(id))
        if (emptied.length > 0) yield* removal.remove(emptied)
        yield* announce(emptied.map((id) => ({ id, head: Position.make(0) })))
        const heirs = new Map(
          (yield* ownership.passOn(userId, conversations, "leaves")).map(({ heir, id }) => [id, heir])
        )
        const said = (yield* leaveGroups({ userId, conversations })).flatMap(({ id }): ReadonlyArray<Said> => {
          const heir = heirs.get(id)
          const goodbye: Said = { conversationId: id, content: { event: "left", user: userId } }
          return heir === undefined
            ? [goodbye]
            : [
                goodbye,
                { conversationId: id, content: { event: "roleChanged", by: userId, user: heir, role: "owner" } }
              ]
        })
        yield* announce(yield* systemMessages.appendAll(said))
        yield* announce(yield* touchDirect(conversations))
        return found.length === mostAtOnce ? found.at(-1) : undefined
      })

      // By the primary key. A row that another process works on is left to it.
      const findDeparture = SqlSchema.findAll({
        Request: Schema.Void,
        Result: Schema.Struct({ userId: UserId, after: ConversationId }),
        execute: () => sql`
          SELECT user_id AS "userId", left_up_to AS after FROM departures LIMIT 1 FOR UPDATE SKIP LOCKED`
      })

      const depart = Effect.gen(function* () {
        const [departure] = yield* findDeparture()
        if (departure === undefined) return false
        const { after, userId } = departure
        const last = yield* leaveSome(userId, after)
        yield* last === undefined
          ? sql`DELETE FROM departures WHERE user_id = ${userId}`
          : sql`UPDATE departures SET left_up_to = ${last} WHERE user_id = ${userId}`
        return true
      }).pipe(inTransaction(sql), catchDatabaseErrors)
      const begin = yield* inSlices("The departure of deleted accounts", depart)

      const leaveAll = Effect.fn("Memberships.leaveAll")(function* (userId: UserId) {
        const last = yield* leaveSome(userId, first)
        if (last === undefined) return
        yield* sql`INSERT INTO departures (user_id, left_up_to) VALUES (${userId}, ${last})`
        yield* sql.afterCommit(begin)
      })

      const passOnSome = Effect.fnUntraced(function* (userId: UserId, after: ConversationId) {
        const groups = (yield* lockNext({ userId, after, isOwner: true })).map(({ id }) => id)
        const inherited = yield* ownership.passOn(userId, groups, "stays")
        const said = inherited.flatMap(({ heir, id }): ReadonlyArray<Said> => [
          { conversationId: id, content: { event: "roleChanged", by: userId, user: userId, role: "admin" } },
          { conversationId: id, content: { event: "roleChanged", by: userId, user: heir, role: "owner" } }
        ])
        yield* announce(yield* systemMessages.appendAll(said))
        return groups.length === mostAtOnce ? groups.at(-1) : undefined
      }, inTransaction(sql))

      const passOnGroups = Effect.fn("Memberships.passOnGroups")(function* (userId: UserId) {
        let after: ConversationId | undefined = first
        while (after !== undefined) after = yield* passOnSome(userId, after)
      }, catchDatabaseErrors)

      return Memberships.of({ leaveAll, passOnGroups, showAnew })
    })
  )
}
