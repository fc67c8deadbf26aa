import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlSchema, type SqlError } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ConversationId } from "../contract/Conversation.ts"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { inSlices } from "../database/Slices.ts"
import { inTransaction } from "../database/Transaction.ts"
import { SystemMessages, type SystemMessage } from "../messages/SystemMessages.ts"

/** Groups that one transaction passes on, at most: each may have a thousand participants to look at. */
const mostAtOnce = 100

/** A group that has passed on, its former owner, and its new one. */
const Inherited = Schema.Struct({ id: ConversationId, former: UserId, heir: UserId })
export type Inherited = typeof Inherited.Type

/**
 * The owners of groups: the rule by which a group passes on when its owner no longer leads it, and the change itself. The lock of a
 * group's row orders the changes of its owner.
 */
export class Ownership extends Context.Service<
  Ownership,
  {
    /**
     * Passes on those of some groups that a person owns and leaves, each to the participant who has been in it longest: people
     * who can sign in before disabled accounts, admins before members. The former owner becomes an admin. Part of a
     * transaction that has locked the groups.
     */
    readonly passOn: (
      owner: UserId,
      groups: ReadonlyArray<ConversationId>
    ) => Effect.Effect<ReadonlyArray<Inherited>, SqlError.SqlError | Schema.SchemaError>
    /**
     * Marks a participant for {@link passOnDisabled}. Part of the transaction that disables or enables the account, so that the
     * groups pass on even if this process ends.
     */
    readonly markDisabled: (participant: UserId) => Effect.Effect<void, SqlError.SqlError>
    /**
     * Passes on those groups of a marked participant whose owner is disabled, by the same rule, but only to people who can sign
     * in; their logs say so. It follows the commit of {@link markDisabled}.
     */
    readonly passOnDisabled: (participant: UserId) => Effect.Effect<void, DatabaseUnavailable>
    /** Makes a participant the owner, and the owner an admin. Part of a transaction that has locked the group. */
    readonly give: (group: ConversationId, heir: UserId) => Effect.Effect<void, SqlError.SqlError>
  }
>()("xfchat/conversations/Ownership") {
  static readonly layer = Layer.effect(
    Ownership,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const systemMessages = yield* SystemMessages

      // By the primary keys. Without a leaving person, of the groups whose owner is disabled.
      const giveToSuccessors = SqlSchema.findAll({
        Request: Schema.Struct({ leaving: Schema.NullOr(UserId), groups: Schema.Array(ConversationId) }),
        Result: Inherited,
        execute: ({ groups, leaving }) => sql`
          WITH successors AS (
            SELECT DISTINCT ON (o.conversation_id) o.conversation_id, former.user_id AS former_id, o.user_id
            FROM conversation_participants former JOIN users f ON f.id = former.user_id
            JOIN conversation_participants o ON o.conversation_id = former.conversation_id AND o.user_id <> former.user_id
            JOIN users u ON u.id = o.user_id AND u.deleted_at IS NULL
            WHERE former.conversation_id = ANY(${groups}::uuid[]) AND former.role = 'owner'
              AND CASE WHEN ${leaving}::uuid IS NULL THEN f.disabled_at IS NOT NULL AND u.disabled_at IS NULL
                ELSE former.user_id = ${leaving} END
            ORDER BY o.conversation_id, u.disabled_at IS NULL DESC, o.role = 'admin' DESC, o.joined_at, o.user_id
          ), promoted AS (
            UPDATE conversation_participants p SET role = CASE WHEN p.user_id = s.user_id THEN 'owner' ELSE 'admin' END
            FROM successors s WHERE p.conversation_id = s.conversation_id AND p.user_id IN (s.user_id, s.former_id)
          )
          SELECT conversation_id AS id, former_id AS former, user_id AS heir FROM successors`
      })

      // By the primary key.
      const give = (group: ConversationId, heir: UserId) =>
        Effect.asVoid(sql`
          UPDATE conversation_participants SET role = CASE WHEN user_id = ${heir} THEN 'owner' ELSE 'admin' END
          WHERE conversation_id = ${group} AND (user_id = ${heir} OR role = 'owner')`)

      const passOn = Effect.fn("Ownership.passOn")(function* (owner: UserId, groups: ReadonlyArray<ConversationId>) {
        return groups.length === 0 ? [] : yield* giveToSuccessors({ leaving: owner, groups })
      })

      // By conversation_participants_user_id_idx and the primary key. In the order of ids, like every lock of several. Groups
      // of other owners are locked, too: one that is passing to this person at the same time is seen after its commit.
      const lockNext = SqlSchema.findAll({
        Request: Schema.Struct({ participant: UserId, after: ConversationId }),
        Result: Schema.Struct({ id: ConversationId }),
        execute: ({ after, participant }) => sql`
          SELECT c.id FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id
          WHERE p.user_id = ${participant} AND NOT c.is_direct_message AND p.conversation_id > ${after}
          ORDER BY p.conversation_id LIMIT ${mostAtOnce} FOR NO KEY UPDATE OF c`
      })

      // By the primary key.
      const markDisabled = (participant: UserId) =>
        Effect.asVoid(sql`
          INSERT INTO successions (user_id) VALUES (${participant})
          ON CONFLICT (user_id) DO UPDATE SET passed_up_to = excluded.passed_up_to`)

      const Marked = Schema.Struct({ participant: UserId, after: ConversationId })

      // By the primary key. In the background, a row that another process works on is left to it.
      const lockMarked = SqlSchema.findAll({
        Request: Schema.NullOr(UserId),
        Result: Marked,
        execute: (participant) => sql`
          SELECT user_id AS participant, passed_up_to AS after FROM successions
          WHERE ${participant}::uuid IS NULL OR user_id = ${participant}
          LIMIT 1 FOR UPDATE ${sql.literal(participant === null ? "SKIP LOCKED" : "")}`
      })

      /** Passes on some groups, of one marked participant or of anybody. Gives whether there may be more. */
      const passOnSome = Effect.fnUntraced(function* (of: UserId | null) {
        const [marked] = yield* lockMarked(of)
        if (marked === undefined) return false
        const { after, participant } = marked
        const groups = (yield* lockNext({ participant, after })).map(({ id }) => id)
        const said = (yield* giveToSuccessors({ leaving: null, groups })).flatMap(
          ({ former, heir, id }): ReadonlyArray<SystemMessage> => [
            { conversationId: id, content: { event: "roleChanged", by: former, user: former, role: "admin" } },
            { conversationId: id, content: { event: "roleChanged", by: former, user: heir, role: "owner" } }
          ]
        )
        for (const { head, id } of yield* systemMessages.appendAll(said)) yield* systemMessages.announce(id, head)
        const last = groups.length === mostAtOnce ? groups.at(-1) : undefined
        // By the primary key.
        yield* last === undefined
          ? sql`DELETE FROM successions WHERE user_id = ${participant}`
          : sql`UPDATE successions SET passed_up_to = ${last} WHERE user_id = ${participant}`
        return true
      }, inTransaction(sql))
      yield* Effect.asVoid(inSlices("The succession of disabled owners", catchDatabaseErrors(passOnSome(null))))

      const passOnDisabled = Effect.fn("Ownership.passOnDisabled")(
        (participant: UserId) => Effect.asVoid(Effect.repeat(passOnSome(participant), { while: (isMore) => isMore })),
        catchDatabaseErrors
      )

      return Ownership.of({ passOn, markDisabled, passOnDisabled, give })
    })
  )
}
