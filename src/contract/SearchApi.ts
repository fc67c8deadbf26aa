import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { ConversationId } from "./Conversation.ts"
import { Limit } from "./Paging.ts"
import { FoundMessage, maxQueryLength, SearchCursor } from "./SearchPage.ts"
import { Text } from "./Text.ts"

export class SearchApi extends HttpApiGroup.make("search")
  .add(
    HttpApiEndpoint.get("search", "/messages/search", {
      query: {
        q: Text.check(Schema.isMinLength(1), Schema.isMaxLength(maxQueryLength)),
        conversation: Schema.optionalKey(ConversationId),
        limit: Schema.optionalKey(Limit),
        cursor: Schema.optionalKey(SearchCursor)
      },
      success: Schema.Struct({
        messages: Schema.Array(FoundMessage),
        /** Leads on; `null` at the end. */
        cursor: Schema.NullOr(SearchCursor),
        /** `false` while older messages are still being indexed, after an upgrade: those are not found yet. */
        isComplete: Schema.Boolean
      })
    }).annotate(
      OpenApi.Description,
      "Texts in the caller's conversations that have all the words, in any order, the newest first. Case and accents do not " +
        "count, and the last word may be the beginning of one. A phrase stands in quotation marks; a word with punctuation " +
        "in it, as a URL, is the phrase of its parts. `from:` takes a username or `me`; `in:` the name of a group, the " +
        "username of the other in a direct conversation, or a conversation's id, in quotation marks where it has spaces; " +
        "several of them, any. `before:` and `after:` take a day, month or year of UTC, or a time: posted earlier than it " +
        "begins, or not. Anything else is words. `marks` are the ranges of `content`, in UTF-16 units, where the words " +
        "stand; at most 100 of a message. A page of long messages has fewer than `limit`: `cursor` leads on."
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(OpenApi.annotations({ title: "Search" })) {}
