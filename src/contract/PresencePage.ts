import { Schema } from "effect"
import { UserId } from "./Account.ts"
import { ConversationId } from "./Conversation.ts"
import { described } from "./Description.ts"
import { Uuid } from "./Text.ts"

/** The most people, and the most conversations, in one answer or update. A stream goes on with the others at once. */
export const maxPresences = 5_000
export const maxTypingConversations = 1_000

/** The most people whom a conversation names as typing. */
export const maxTypers = 10

/** The place where a presence continues: after people and conversations with this id, in the order of ids. */
export const PresenceCursor = Uuid

const Presence = Schema.Struct({
  status: Schema.Literals(["online", "offline"]).pipe(
    described("In an update, `offline` for a person who was online before.")
  )
})

/**
 * The presence of a person's friends and fellow participants, or the part of it that changed: each member replaces the one
 * with the same id. Anyone not listed is offline; a conversation not listed has nobody typing.
 */
export const PresencePage = Schema.Struct({
  people: Schema.Record(UserId, Presence).pipe(
    described(`People by their id, at most ${maxPresences} in one answer. Anyone not listed is offline.`)
  ),
  typing: Schema.Record(ConversationId, Schema.Array(UserId).check(Schema.isMaxLength(maxTypers))).pipe(
    described(`The first ${maxTypers} people who are typing, in the order of their ids, by the id of the conversation.`)
  ),
  cursor: Schema.optionalKey(Schema.NullOr(PresenceCursor)).pipe(
    described(
      "The `cursor` with which `GET /api/presence` continues; `null` if the answer has everyone. An update does not have it: " +
        "a stream goes on with the others at once."
    )
  )
}).annotate({ identifier: "PresencePage" })
export type PresencePage = typeof PresencePage.Type

/** The people whom a person may see, and the conversations in which they see others type. It is mutual. */
export interface PresenceAudience {
  readonly people: ReadonlySet<UserId>
  readonly conversations: ReadonlySet<ConversationId>
}
