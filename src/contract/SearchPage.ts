import { Schema, SchemaTransformation } from "effect"
import { ConversationId, Position } from "./Conversation.ts"
import { described } from "./Description.ts"
import { Message } from "./Message.ts"

/** The most characters of a query. */
export const maxQueryLength = 256

/** The most marks of one message. */
export const maxMarks = 100

const Mark = Schema.Struct({
  start: Schema.Int.pipe(described("The position of the range's first UTF-16 unit.")),
  end: Schema.Int.pipe(described("The position of the first UTF-16 unit after the range."))
})

/** A message that search found, with the ranges of its content that match, in order and without overlaps. */
export const FoundMessage = Schema.Struct({
  ...Message.json.fields,
  marks: Schema.Array(Mark)
    .check(Schema.isMaxLength(maxMarks))
    .pipe(described(`The ranges of \`content\` that match, in UTF-16 units: at most ${maxMarks}.`))
}).annotate({ identifier: "FoundMessage" })
export type FoundMessage = typeof FoundMessage.Type

/** The place where a search continues: after the message posted at this time, at this position of this conversation. */
export const SearchPosition = Schema.Struct({
  /** Milliseconds since 1970. */
  postedAt: Schema.Int,
  conversationId: ConversationId,
  seq: Position
})
export type SearchPosition = typeof SearchPosition.Type

/** A {@link SearchPosition} in a query and in an answer. */
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
