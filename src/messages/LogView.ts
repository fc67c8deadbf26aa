import { Effect, Schema } from "effect"
import { SqlSchema, type SqlClient } from "effect/sql"
import { UserId } from "../contract/Account.ts"
import { ConversationId, Position } from "../contract/Conversation.ts"
import { currentIncarnation, Incarnation } from "../contract/Incarnation.ts"
import { NotFound } from "../contract/Problem.ts"
import { ReceiptList } from "../contract/Receipt.ts"
import { batched } from "../database/Batched.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import { blockedBy, blockersOf } from "../people/PairRow.ts"
import { isBeingRewritten } from "./BlockRow.ts"
import { receiptList } from "./ReceiptRow.ts"

/** Which changes of what participants may see of a log were there at a read. */
export interface VisibilityState {
  /** How many have been applied to the log. */
  readonly epoch: number
  /** Those that are still to be applied, each by a name of its own. */
  readonly changes: string
}

/** The part of a conversation's log that a participant may see. */
export interface View extends VisibilityState {
  readonly viewer: UserId
  /** The position of the last change. */
  readonly head: Position
  /** The participant sees only messages posted after this. */
  readonly visibleAfter: Position
  /** The people whom the participant has blocked: of their messages, only the positions are shown. */
  readonly hiddenSenders: ReadonlySet<UserId>
  /** Whether a block of theirs, or of another participant against them, may show them a message differently. */
  readonly isPersonal: boolean
  /** The head when the participant's view of earlier messages last changed: a copy that reaches no further is out of date. */
  readonly rewrittenAt: Position
  /** The incarnation of the database that `head` was read in: a copy from another one may hold lost messages. */
  readonly incarnation: Incarnation
  /** As the participant sees them. */
  readonly receipts: ReceiptList
}

/** How far a conversation's log goes. */
export interface Head extends VisibilityState {
  readonly id: ConversationId
  readonly head: Position
  /** As in {@link View}. */
  readonly incarnation: Incarnation
}

/** The receipts of a conversation as shown to all participants whom no block concerns. */
export interface SharedReceipts extends Head {
  readonly receipts: ReceiptList
  /** The participants who see other receipts, because of a block between them and another participant: see their views. */
  readonly exceptions: ReadonlySet<UserId>
}

/**
 * SQL: what a statement knows of a log besides its head. `conversation` is an expression for its id. By the primary keys;
 * visibility_rewrites has few rows.
 */
export const logState = (conversation: string): string => `
  coalesce((SELECT epoch FROM visibility_epochs WHERE conversation_id = ${conversation}), 0) AS epoch,
  coalesce((SELECT string_agg(w.change_id::text, ' ' ORDER BY w.change_id) FROM visibility_rewrites w
    WHERE w.rewritten_up_to < ${conversation} AND EXISTS (
      SELECT FROM conversation_participants o
      WHERE o.conversation_id = ${conversation} AND o.user_id = w.viewer_id OFFSET 0)), '') AS changes,
  ${currentIncarnation} AS incarnation`

/** How {@link logState} decodes. */
export const LogState = { epoch: Schema.Int, changes: Schema.String, incarnation: Incarnation }

/** Reads what participants may see of logs, and how far these go. */
export const logViews = (sql: SqlClient.SqlClient) => {
  const state = sql.literal(logState("c.id"))

  // By the primary keys of conversations, conversation_participants, blocks and frozen_receipts, and
  // blocks_blocked_id_idx. The receipts of a conversation look the same to all whom no block concerns, and are read once for
  // them. The arrays are in sub-selects, so that PostgreSQL keeps its plan however long they are.
  const findViews = SqlSchema.findAll({
    Request: Schema.Array(Schema.Struct({ viewer: UserId, conversationId: ConversationId })),
    Result: Schema.Struct({
      ...LogState,
      place: Schema.Int,
      head: Position,
      visibleAfter: Position,
      hiddenSenders: Schema.Array(UserId),
      isBlocked: Schema.Boolean,
      rewrittenAt: Position,
      receipts: ReceiptList
    }),
    execute: (asked) => sql`
      WITH seen AS (
        SELECT i.place, p.conversation_id, p.user_id, p.visible_after, p.rewritten_at,
          ${sql.literal(blockedBy("p.user_id"))} AS blocked, ${sql.literal(blockersOf("p.user_id"))} AS blockers
        FROM unnest(
          (SELECT ${asked.map(({ viewer }) => viewer)}::uuid[]),
          (SELECT ${asked.map(({ conversationId }) => conversationId)}::uuid[])
        ) WITH ORDINALITY AS i (viewer, conversation_id, place)
        JOIN conversation_participants p ON p.conversation_id = i.conversation_id AND p.user_id = i.viewer
      ), alike AS (
        SELECT conversation_id, ${sql.literal(receiptList("s.conversation_id"))} AS receipts
        FROM (SELECT DISTINCT conversation_id FROM seen WHERE blocked = '{}' AND blockers = '{}') s
      )
      SELECT s.place::int, c.head, s.visible_after AS "visibleAfter", ${state},
        CASE WHEN ${sql.literal(isBeingRewritten("s.user_id", "c.id"))} THEN c.head ELSE s.rewritten_at END AS "rewrittenAt",
        CASE WHEN s.blocked = '{}' AND s.blockers = '{}' THEN alike.receipts
          ELSE ${sql.literal(receiptList("c.id", "s.user_id"))} END AS receipts,
        s.blocked AS "hiddenSenders",
        s.blockers <> '{}' AND EXISTS (SELECT FROM conversation_participants o
          WHERE o.conversation_id = c.id AND o.user_id = ANY (s.blockers)) AS "isBlocked"
      FROM seen s JOIN conversations c ON c.id = s.conversation_id
      LEFT JOIN alike ON alike.conversation_id = s.conversation_id`
  })

  const findView = batched(
    (asked: ReadonlyArray<{ readonly viewer: UserId; readonly conversationId: ConversationId }>) =>
      Effect.map(findViews(asked), (rows) => {
        const views = new Map(rows.map(({ place, ...view }) => [place, view]))
        return asked.map((_, index) => views.get(index + 1) ?? null)
      })
  )

  const view = Effect.fn("Messages.view")(function* (viewer: UserId, conversationId: ConversationId) {
    const found = yield* findView({ viewer, conversationId })
    if (found === null) return yield* new NotFound({ detail: "There is no such conversation." })
    const { isBlocked, ...view } = found
    const hiddenSenders = new Set(view.hiddenSenders)
    return { ...view, viewer, hiddenSenders, isPersonal: isBlocked || hiddenSenders.size > 0 }
  }, catchDatabaseErrors)

  // By the primary key.
  const findHeads = SqlSchema.findAll({
    Request: Schema.Array(ConversationId),
    Result: Schema.Struct({ ...LogState, id: ConversationId, head: Position }),
    execute: (ids) => sql`
      SELECT c.id, c.head, ${state} FROM conversations c WHERE c.id = ANY(${ids}::uuid[]) AND c.deleted_at IS NULL`
  })

  const heads = Effect.fn("Messages.heads")(
    (ids: ReadonlyArray<ConversationId>) => (ids.length === 0 ? Effect.succeed([]) : findHeads(ids)),
    catchDatabaseErrors
  )

  // By the primary keys of conversations, conversation_participants and blocks.
  const findReceipts = SqlSchema.findAll({
    Request: Schema.Array(ConversationId),
    Result: Schema.Struct({
      ...LogState,
      id: ConversationId,
      head: Position,
      receipts: ReceiptList,
      exceptions: Schema.Array(UserId)
    }),
    execute: (ids) => sql`
      SELECT c.id, c.head, ${state}, ${sql.literal(receiptList("c.id"))} AS receipts,
        ARRAY(SELECT DISTINCT unnest(ARRAY[b.blocker_id, b.blocked_id]) FROM conversation_participants p
          JOIN blocks b ON b.blocker_id = p.user_id
          JOIN conversation_participants o ON o.conversation_id = p.conversation_id AND o.user_id = b.blocked_id
          WHERE p.conversation_id = c.id) AS exceptions
      FROM conversations c WHERE c.id = ANY(${ids}::uuid[]) AND c.deleted_at IS NULL`
  })

  const receipts = Effect.fn("Messages.receipts")(
    (ids: ReadonlyArray<ConversationId>) =>
      Effect.map(ids.length === 0 ? Effect.succeed([]) : findReceipts(ids), (rows) =>
        rows.map(({ exceptions, ...row }): SharedReceipts => ({ ...row, exceptions: new Set(exceptions) }))
      ),
    catchDatabaseErrors
  )

  return { view, heads, receipts }
}
