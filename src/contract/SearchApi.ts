import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Authorization } from "./AuthApi.ts"
import { ConversationId } from "./Conversation.ts"
import { described } from "./Description.ts"
import { PageQuery } from "./Paging.ts"
import { FoundMessage, maxQueryLength, SearchCursor } from "./SearchPage.ts"
import { Text } from "./Text.ts"

export class SearchApi extends HttpApiGroup.make("search")
  .add(
    HttpApiEndpoint.get("search", "/messages/search", {
      query: {
        q: Text.check(Schema.isMinLength(1), Schema.isMaxLength(maxQueryLength)).pipe(
          described("The words to find, with `from:`, `in:`, `before:` and `after:` to narrow the search.")
        ),
        conversation: Schema.optionalKey(ConversationId).pipe(
          described("The id of a conversation to search in; all of the caller's conversations unless given.")
        ),
        limit: PageQuery.limit,
        cursor: Schema.optionalKey(SearchCursor).pipe(
          described("The `cursor` of the page before; without it, the first page.")
        )
      },
      success: Schema.Struct({
        messages: Schema.Array(FoundMessage).pipe(described("The newest message first.")),
        cursor: Schema.NullOr(SearchCursor).pipe(
          described("The `cursor` that the next page is requested with; `null` on the last page.")
        ),
        isComplete: Schema.Boolean.pipe(
          described("`false` while older messages are still being indexed after an upgrade, and cannot be found yet.")
        )
      })
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Search messages",
        description:
          "Finds texts in the caller's conversations that contain all the words, in any order, the newest first. Case and " +
          "accents do not matter, and the last word may be the beginning of one. Quotation marks enclose a phrase; a word with " +
          "punctuation in it, such as a URL, is the phrase of its parts. `from:` takes a username or `me`. `in:` takes the name " +
          "of a group, the username of the other person in a direct conversation, or the id of a conversation; quote it if it " +
          "has spaces. Several `from:` or several `in:` match any of them. `before:` and `after:` take a day, a month or a year in UTC, or a " +
          "time, and find messages from before it begins, or from then on. Everything else is words. A page of long messages may have fewer " +
          "than `limit`; its `cursor` leads to the rest."
      })
    )
  )
  .middleware(Authorization)
  .prefix("/api")
  .annotateMerge(
    OpenApi.annotations({ title: "Search", description: "Find messages in all of the caller's conversations." })
  ) {}
