import { Schema } from "effect"
import { UserId } from "./Account.ts"
import { ConversationId } from "./Conversation.ts"

/**
 * Who of a person's friends and fellow participants is here, and who types where; or the part of it that changed: each
 * member replaces the one of the same id. Who is not named is offline, and where nobody is named nobody types.
 */
export const PresencePage = Schema.Struct({
  people: Schema.Record(UserId, Schema.Struct({ status: Schema.Literals(["online", "offline"]) })),
  /** In the order of their ids. */
  typing: Schema.Record(ConversationId, Schema.Array(UserId))
}).annotate({ identifier: "PresencePage" })
export type PresencePage = typeof PresencePage.Type

/**
 * Whom a person may see, and where they see others type. It is mutual: who is in somebody's circle has them in their own.
 */
export interface PresenceAudience {
  readonly people: ReadonlySet<UserId>
  readonly conversations: ReadonlySet<ConversationId>
}
