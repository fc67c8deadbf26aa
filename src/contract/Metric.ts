import { DateTime, Schema, Struct } from "effect"
import { described } from "./Description.ts"
import { Time } from "./Text.ts"

/** The things that are counted, with their names in `usage_tracking`. */
export const metricTypes = {
  messagesSent: "messages_sent",
  conversationsCreated: "conversations_created",
  friendRequests: "friend_requests",
  contentBytes: "content_bytes",
  requests: "requests",
  streamsOpened: "streams_opened",
  streamSeconds: "stream_seconds"
} as const

export type Metric = keyof typeof metricTypes
export const metrics = Struct.keys(metricTypes)

/** An amount of each metric. */
export type Tally = Record<Metric, number>

export const emptyTally = (): Tally => ({
  messagesSent: 0,
  conversationsCreated: 0,
  friendRequests: 0,
  contentBytes: 0,
  requests: 0,
  streamsOpened: 0,
  streamSeconds: 0
})

/** Adds to a tally in place. */
export const addTo = (tally: Tally, amounts: Partial<Tally>) => {
  for (const metric of metrics) tally[metric] += amounts[metric] ?? 0
}

/** A user's usage, in the form in which it is shown and limited. */
export const Counts = Schema.Struct({
  messagesSent: Schema.Int.pipe(described("Messages sent.")),
  conversationsCreated: Schema.Int.pipe(described("Conversations created.")),
  friendRequests: Schema.Int.pipe(described("Friend requests sent.")),
  contentBytes: Schema.Int.pipe(described("Bytes of content sent, edits included, in UTF-8.")),
  requests: Schema.Int.pipe(described("Requests made.")),
  streamsOpened: Schema.Int.pipe(described("Streams opened, long polls included.")),
  streamMinutes: Schema.Int.pipe(described("Full minutes of all streams together."))
})
export type Counts = typeof Counts.Type

/** A metric that can have a quota. */
export type Quota = keyof Counts
export const quotas = Struct.keys(Counts.fields)

export const countsOf = ({ streamSeconds, ...counts }: Tally): Counts => ({
  ...counts,
  streamMinutes: Math.floor(streamSeconds / 60)
})

/** A calendar month, UTC. */
export const Period = Schema.Struct({
  start: Time.pipe(described("The first moment of the month.")),
  end: Time.pipe(described("The first moment of the next month."))
})
export type Period = typeof Period.Type

/** The month of a time in milliseconds; `last` is reused if it is the same month. */
export const periodOf = (now: number, last?: Period): Period => {
  if (last !== undefined && now >= DateTime.toEpochMillis(last.start) && now < DateTime.toEpochMillis(last.end))
    return last
  const start = DateTime.startOf(DateTime.makeUnsafe(now), "month")
  return { start, end: DateTime.add(start, { months: 1 }) }
}
