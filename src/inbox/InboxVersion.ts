import { Option, Schema } from "effect"
import { qualify, splitQualified, type Incarnation } from "../contract/Incarnation.ts"
import { Cursor, type PageCursor } from "../contract/Paging.ts"
import { Horizon, mostRunning, mostSeen } from "./Horizon.ts"
import { digestsPattern, formatDigests, parseDigests, type ItemDigests } from "./ItemDigests.ts"

/** The version of a copy of an inbox. */
export interface InboxVersion {
  /** The incarnation of the database: a horizon's transactions belong to it. */
  readonly incarnation: Incarnation
  /** The transactions that the copy includes. */
  readonly horizon: Horizon
  /** The number of the user's conversations. An added one has new rows, but one that is gone leaves no row. */
  readonly count: number
  /** The last conversation of a list that has not all of them: the next read sends those that come up from behind it. */
  readonly last: PageCursor | null
  /** How often the user's friends, requests and blocks had changed. */
  readonly revision: number
  /** Transactions in the copy that a read from this horizon could mistake for new ones. */
  readonly seen: ReadonlyArray<number>
  /** The digests of items that must not be sent again unchanged. */
  readonly digests: ItemDigests
}

/** The version of a state that was read. */
export const versionOf = ({
  count,
  digests,
  horizon,
  incarnation,
  last,
  revision,
  seen
}: InboxVersion): InboxVersion => ({
  incarnation,
  horizon,
  count,
  last,
  revision,
  seen,
  digests
})

const ages = (most: number) => `(\\d{1,15}(?:-\\d{1,15}){0,${most - 1}})`
// The fourth part is 0 where there are no digests. Servers of older versions wrote another number there.
const pattern = new RegExp(
  `^(\\d{1,15})\\.(\\d{1,9})(?:_(\\d{1,15}_[0-9a-f-]{36}))?\\.(\\d{1,15})\\.(?:\\d{1,16}|(${digestsPattern}))(?:\\.${ages(mostRunning)}(?:\\.${ages(mostSeen)})?)?$`
)
const isHorizon = Schema.is(Horizon)
const parseCursor = Schema.decodeOption(Cursor)
const formatCursor = Schema.encodeSync(Cursor)

/** Reads what {@link formatInboxVersion} wrote; `undefined` for anything else. */
export const parseInboxVersion = (id: string): InboxVersion | undefined => {
  const { incarnation, version } = splitQualified(id)
  const parts = pattern.exec(version)
  if (parts === null) return undefined
  const [next = 0, count = 0, revision = 0] = [parts[1], parts[2], parts[4]].map(Number)
  const last = parts[3] === undefined ? null : Option.getOrNull(parseCursor(parts[3]))
  const [running = [], seen = []] = [parts[6], parts[7]].map((list) =>
    (list?.split("-") ?? []).map((age) => next - Number(age))
  )
  const horizon = { next, running }
  const digests = parseDigests(parts[5] ?? "")
  return isHorizon(horizon) ? { incarnation, horizon, count, last, revision, seen, digests } : undefined
}

/** The lists of transactions, which are mostly short or empty, come last: each number as its distance below `next`. */
export const formatInboxVersion = ({
  count,
  digests,
  horizon,
  incarnation,
  last,
  revision,
  seen
}: InboxVersion): string => {
  const counted = last === null ? count : `${count}_${formatCursor(last)}`
  const lists = [horizon.running, seen].flatMap((numbers) =>
    numbers.length === 0 ? [] : [numbers.map((number) => horizon.next - number).join("-")]
  )
  return qualify(incarnation, [horizon.next, counted, revision, formatDigests(digests) || 0, ...lists].join("."))
}
