import { DateTime, Schema, Struct } from "effect"

/** What is counted, by the name that it has in `usage_tracking`. */
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

/** How much of each. */
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

/** What a user has used, as it is shown and limited. */
export const Counts = Schema.Struct({
  messagesSent: Schema.Int,
  conversationsCreated: Schema.Int,
  friendRequests: Schema.Int,
  /** Of what was sent and of what it was changed to, in UTF-8. */
  contentBytes: Schema.Int,
  requests: Schema.Int,
  /** Long polls included. */
  streamsOpened: Schema.Int,
  /** Full minutes, of all streams together. */
  streamMinutes: Schema.Int
})
export type Counts = typeof Counts.Type

/** What there may be a quota of. */
export type Quota = keyof Counts
export const quotas = Struct.keys(Counts.fields)

export const countsOf = ({ streamSeconds, ...counts }: Tally): Counts => ({
  ...counts,
  streamMinutes: Math.floor(streamSeconds / 60)
})

/** A calendar month, UTC. */
export const Period = Schema.Struct({
  start: Schema.DateTimeUtcFromString,
  /** The first moment that is not in it. */
  end: Schema.DateTimeUtcFromString
})
export type Period = typeof Period.Type

/** The month of a time in milliseconds, given the one that it was last. */
export const periodOf = (now: number, last?: Period): Period => {
  if (last !== undefined && now >= DateTime.toEpochMillis(last.start) && now < DateTime.toEpochMillis(last.end))
    return last
  const start = DateTime.startOf(DateTime.makeUnsafe(now), "month")
  return { start, end: DateTime.add(start, { months: 1 }) }
}
