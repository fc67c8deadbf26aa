import { Schema } from "effect"
import { Horizon, mostRunning } from "./Horizon.ts"

/** What the version of an inbox says about the copy that has it. */
export interface InboxVersion {
  /** Which transactions the copy includes. */
  readonly horizon: Horizon
  /** The number of conversations in it. A conversation that was added has new rows; one that is gone leaves none to tell so. */
  readonly count: number
  /** How often the user's acquaintances had changed. */
  readonly revision: number
  /** A fingerprint of the conversations that a read from this horizon could repeat. */
  readonly recent: number
}

/** The version of what was read. */
export const versionOf = ({
  horizon,
  ids,
  recent,
  revision
}: Omit<InboxVersion, "count"> & { readonly ids: ReadonlyArray<unknown> }): InboxVersion => ({
  horizon,
  count: ids.length,
  revision,
  recent
})

const pattern = new RegExp(
  `^(\\d{1,15})\\.(\\d{1,9})\\.(\\d{1,15})\\.(\\d{1,16})(?:\\.(\\d{1,15}(?:-\\d{1,15}){0,${mostRunning - 1}}))?$`
)
const isHorizon = Schema.is(Horizon)

/** Reads what {@link formatInboxVersion} wrote; `undefined` for anything else. */
export const parseInboxVersion = (id: string): InboxVersion | undefined => {
  const parts = pattern.exec(id)
  if (parts === null) return undefined
  const [next = 0, count = 0, revision = 0, recent = 0] = parts.slice(1, 5).map(Number)
  const running = (parts[5]?.split("-") ?? []).map((age) => next - Number(age))
  const horizon = { next, running }
  return isHorizon(horizon) ? { horizon, count, revision, recent } : undefined
}

/** Running transactions, of which there are most often few or none, come last, by how far they are below `next`. */
export const formatInboxVersion = ({ count, horizon, recent, revision }: InboxVersion): string => {
  const ages = horizon.running.map((transaction) => horizon.next - transaction)
  const version = `${horizon.next}.${count}.${revision}.${recent}`
  return ages.length === 0 ? version : `${version}.${ages.join("-")}`
}
