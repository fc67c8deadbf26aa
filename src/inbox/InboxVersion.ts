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
  /** Tells versions of one horizon apart: a long transaction holds it in place. */
  readonly number: number
}

/** The version of what was read, for who had another one before. */
export const nextVersion = (
  { horizon, ids, revision }: { horizon: Horizon; ids: ReadonlyArray<unknown>; revision: number },
  before: InboxVersion | undefined
): InboxVersion => ({
  horizon,
  count: ids.length,
  revision,
  number: before?.horizon === horizon ? before.number + 1 : 0
})

const isHorizon = Schema.is(Horizon)

/** `undefined` for what is no version of an inbox. */
export const parseInboxVersion = (id: string): InboxVersion | undefined => {
  const parts = /^(\d{1,15})\.(\d{1,9})\.(\d{1,15})\.(\d{1,9})$/.exec(id)
  const [, horizon = 0, count = 0, revision = 0, number = 0] = parts?.map(Number) ?? []
  return isHorizon(horizon) ? { horizon, count, revision, number } : undefined
}

export const formatInboxVersion = ({ count, horizon, number, revision }: InboxVersion): string =>
  `${horizon}.${count}.${revision}.${number}`
