import { Schema, SchemaTransformation } from "effect"
import { ConversationId, Position } from "./Conversation.ts"
import { Message } from "./Message.ts"

/** Most characters of a query. */
export const maxQueryLength = 256

/** Most marks of one message. */
export const maxMarks = 100

/** A message that search found, and where in its content the words stand: ranges in UTF-16 units, in order, without overlaps. */
export const FoundMessage = Schema.Struct({
  ...Message.json.fields,
  marks: Schema.Array(Schema.Struct({ start: Schema.Int, end: Schema.Int })).check(Schema.isMaxLength(maxMarks))
}).annotate({ identifier: "FoundMessage" })
export type FoundMessage = typeof FoundMessage.Type

/** Where search goes on: after the message that was posted then, at that position of that conversation. */
export const SearchPosition = Schema.Struct({
  /** Milliseconds since 1970. */
  postedAt: Schema.Int,
  conversationId: ConversationId,
  seq: Position
})
export type SearchPosition = typeof SearchPosition.Type

/** A {@link SearchPosition} as a query has it, and an answer gives it. */
export const SearchCursor = Schema.String.check(
  Schema.isPattern(/^\d{1,15}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_\d{1,15}$/, {
    message: "must be a cursor of an earlier answer"
  })
).pipe(
  Schema.decodeTo(
    SearchPosition,
    SchemaTransformation.transform({
      decode: (cursor) => {
        const [postedAt = "", conversationId = "", seq = ""] = cursor.split("_")
        return { postedAt: Number(postedAt), conversationId, seq: Number(seq) }
      },
      encode: ({ conversationId, postedAt, seq }) => `${postedAt}_${conversationId}_${seq}`
    })
  )
)
