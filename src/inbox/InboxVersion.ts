import { Schema } from "effect"

/**
 * A moment in the database's history: all transactions below it have ended. What was read at one is brought up to date by
 * what changed since, whatever was under way; some of that may be known already.
 */
export const Horizon = Schema.Int.check(Schema.isGreaterThan(0)).pipe(Schema.brand("Horizon"))
export type Horizon = typeof Horizon.Type

/** What a version of an inbox tells of the copy that has it. */
export interface InboxVersion {
  readonly horizon: Horizon
  /** How many conversations are in it. One that was added changed since the horizon, one that is gone did not. */
  readonly count: number
  /** How often the user's acquaintances had changed. */
  readonly revision: number
  /**
   * A hash of which transactions wrote what is known from above the horizon: who comes back at the horizon reads that
   * again, and sees whether it is what they know. A long transaction of anybody's holds a horizon in place.
   */
  readonly above: number
}

/** The version of what was read. */
export const versionOf = (read: {
  readonly horizon: Horizon
  readonly ids: ReadonlyArray<unknown>
  readonly revision: number
  readonly above: number
}): InboxVersion => ({ horizon: read.horizon, count: read.ids.length, revision: read.revision, above: read.above })

const isHorizon = Schema.is(Horizon)

/** `undefined` for what is no version of an inbox. */
export const parseInboxVersion = (id: string): InboxVersion | undefined => {
  const parts = /^(\d{1,15})\.(\d{1,9})\.(\d{1,15})\.(\d{1,16})$/.exec(id)
  const [, horizon = 0, count = 0, revision = 0, above = 0] = parts?.map(Number) ?? []
  return isHorizon(horizon) ? { horizon, count, revision, above } : undefined
}

export const formatInboxVersion = ({ above, count, horizon, revision }: InboxVersion): string =>
  `${horizon}.${count}.${revision}.${above}`
