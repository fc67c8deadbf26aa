import { DateTime, Schema, SchemaTransformation } from "effect"

/** Most that are shown of a list at once. */
export const maxPageSize = 200

/** How many of a list to show. */
export const Limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxPageSize }))

/** How many are shown of a list unless it is said. */
export const defaultPageSize = 50

/**
 * Most bytes of what people wrote in one answer, whatever number of items was asked for; an item that is larger than what
 * is left of them is the last. The answer says where it goes on. As JSON they can become six times as many: a control
 * character of one byte is written as `\u0001`.
 */
export const pageBytes = 524_288

const PageCursor = Schema.Struct({ before: Schema.DateTimeUtc, id: Schema.String })

/** Where a list goes on that is ordered by time, the newest first: after what has this time, to the millisecond, and id. */
export type PageCursor = typeof PageCursor.Type

/** A {@link PageCursor} as a query has it, and an answer gives it. */
export const Cursor = Schema.String.check(
  Schema.isPattern(/^\d{1,15}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, {
    message: "must be a cursor of an earlier answer"
  })
).pipe(
  Schema.decodeTo(
    PageCursor,
    SchemaTransformation.transform({
      decode: (cursor) => ({
        before: DateTime.makeUnsafe(Number.parseInt(cursor, 10)),
        id: cursor.slice(cursor.indexOf("_") + 1)
      }),
      encode: ({ before, id }) => `${DateTime.toEpochMillis(before)}_${id}`
    })
  )
)

/** A part of a list, and where it goes on; `null` at its end. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: PageCursor | null
}

/** The first `limit` of what was found, of which there is one more where the list goes on. */
export const pageOf = <A>(found: ReadonlyArray<A>, limit: number, cursorOf: (item: A) => PageCursor): Page<A> => {
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return { items, next: found.length > limit && last !== undefined ? cursorOf(last) : null }
}
