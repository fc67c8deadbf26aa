import { DateTime, Schema, SchemaTransformation } from "effect"
import { described } from "./Description.ts"

/** The most items in one page of a list. */
export const maxPageSize = 200

/** The most items to answer with. */
export const Limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxPageSize }))

/** The number of items in a page unless the caller gives a limit. */
export const defaultPageSize = 50

/**
 * The most bytes of the items in one answer, as JSON, however many items the caller asked for. The first item that goes past it is
 * the last one. The answer has a cursor for the rest.
 */
export const pageBytes = 524_288

/** The items that an answer has room for: the first ones within `bytes` as JSON, and one more. */
export const fitting = <A>(
  items: ReadonlyArray<A>,
  jsonBytes: (item: A) => number,
  bytes = pageBytes
): { readonly items: ReadonlyArray<A>; readonly bytes: number } => {
  let sum = 0
  const end = items.findIndex((item) => (sum += jsonBytes(item)) >= bytes)
  return { items: end === -1 ? items : items.slice(0, end + 1), bytes: sum }
}

const PageCursor = Schema.Struct({ before: Schema.DateTimeUtc, id: Schema.String })

/** The place where a list continues that is ordered by time, the newest first: after this time, in milliseconds, and id. */
export type PageCursor = typeof PageCursor.Type

/** A {@link PageCursor} in a query and in an answer. */
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

/** The query of a list that comes in pages. */
export const PageQuery = {
  limit: Schema.optionalKey(Limit).pipe(
    described(`The most items in the answer: 1 to ${maxPageSize}, and ${defaultPageSize} unless given.`)
  ),
  cursor: Schema.optionalKey(Cursor).pipe(described("The `cursor` of the page before; without it, the first page."))
}

/** The member of a page that leads to the next one. */
export const NextCursor = Schema.NullOr(Cursor).pipe(
  described("The `cursor` that the next page is requested with; `null` on the last page.")
)

/** A page of a list, and the cursor of the next one; `null` at the end of the list. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: PageCursor | null
}

/**
 * The first `limit` items of a result, which has one more if the list continues. `found` is the number of items before the
 * result was cut to fit in an answer.
 */
export const pageOf = <A>(
  rows: ReadonlyArray<A>,
  limit: number,
  cursorOf: (item: A) => PageCursor,
  found = rows.length
): Page<A> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: found > items.length && last !== undefined ? cursorOf(last) : null }
}
