import { Schema } from "effect"
import { ConversationId, ConversationSummary } from "./Conversation.ts"
import { described } from "./Description.ts"
import { PeopleLists } from "./Friend.ts"
import { NextCursor } from "./Paging.ts"

/** The most conversations in an inbox: those that were active last. The list of conversations has all of them. */
export const maxInboxConversations = 1_000

/**
 * The most bytes of conversations in one answer or update, as JSON, and one conversation more. A change that would be larger
 * comes as a snapshot.
 */
export const maxInboxBytes = 1_048_576

/**
 * The inbox of a user, or the part of it that changed. A conversation replaces the one with the same id, and the inbox no
 * longer has a conversation that `conversationIds` does not name. A list of people replaces the one before; a list that did
 * not change may be missing.
 */
export class InboxPage extends Schema.Class<InboxPage>("InboxPage")({
  conversationIds: Schema.Array(ConversationId)
    .check(Schema.isMaxLength(maxInboxConversations))
    .pipe(described(`The ids of the user's conversations, the last active first, at most ${maxInboxConversations}.`)),
  conversations: Schema.Record(ConversationId, ConversationSummary.json).pipe(
    described(
      "The conversations by id, the last active ones as far as an answer reaches; in an update, those that changed."
    )
  ),
  conversationsCursor: Schema.optionalKey(
    NextCursor.pipe(
      described(
        "The `cursor` with which `GET /api/conversations` continues after `conversations`; `null` if they are all. " +
          "An update does not have it."
      )
    )
  ),
  friends: Schema.optionalKey(PeopleLists.fields.friends),
  friendsCursor: Schema.optionalKey(PeopleLists.fields.friendsCursor),
  requests: Schema.optionalKey(PeopleLists.fields.requests),
  requestsCursor: Schema.optionalKey(PeopleLists.fields.requestsCursor),
  blocks: Schema.optionalKey(PeopleLists.fields.blocks),
  blocksCursor: Schema.optionalKey(PeopleLists.fields.blocksCursor)
}) {}
