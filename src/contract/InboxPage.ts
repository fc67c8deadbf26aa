import { Schema } from "effect"
import { ConversationId, ConversationSummary } from "./Conversation.ts"
import { described } from "./Description.ts"
import { PeopleLists } from "./Friend.ts"

/**
 * The inbox of a user, or the part of it that changed. A conversation replaces the one with the same id, and the user has
 * left every conversation that `conversationIds` does not name. A list of people replaces the one before; a list that did
 * not change may be missing.
 */
export class InboxPage extends Schema.Class<InboxPage>("InboxPage")({
  conversationIds: Schema.Array(ConversationId).pipe(
    described("The ids of all conversations of the user, the last active first.")
  ),
  conversations: Schema.Record(ConversationId, ConversationSummary.json).pipe(
    described("The conversations by id; in an update, those that changed.")
  ),
  friends: Schema.optionalKey(PeopleLists.fields.friends),
  requests: Schema.optionalKey(PeopleLists.fields.requests),
  blocks: Schema.optionalKey(PeopleLists.fields.blocks)
}) {}
