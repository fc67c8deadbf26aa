import { Schema } from "effect"
import { PeopleLists } from "./Friend.ts"
import { ConversationId, ConversationSummary } from "./Conversation.ts"

/**
 * A user's whole picture, or the part of it that changed: each conversation replaces the one of the same id, and those
 * that are not among the ids are the user's no more. The lists of people replace those before them; what of them did not
 * change may be left out.
 */
export class InboxPage extends Schema.Class<InboxPage>("InboxPage")({
  /** All that are the user's, the last active first. */
  conversationIds: Schema.Array(ConversationId),
  conversations: Schema.Record(ConversationId, ConversationSummary.json),
  friends: Schema.optionalKey(PeopleLists.fields.friends),
  /** The open ones, in both directions: of each, the latest 100. */
  requests: Schema.optionalKey(PeopleLists.fields.requests),
  blocks: Schema.optionalKey(PeopleLists.fields.blocks)
}) {}
