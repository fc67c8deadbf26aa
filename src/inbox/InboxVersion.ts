import { Schema } from "effect"
import { qualify, splitQualified, type Incarnation } from "../database/Incarnation.ts"
import { Horizon, mostRunning } from "./Horizon.ts"

/** What the version of an inbox says about the copy that has it. */
export interface InboxVersion {
  /** Of the database: a horizon of another one is of other transactions. */
  readonly incarnation: Incarnation
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
  incarnation,
  recent,
  revision
}: Omit<InboxVersion, "count"> & { readonly ids: ReadonlyArray<unknown> }): InboxVersion => ({
  incarnation,
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
  const { incarnation, version } = splitQualified(id)
  const parts = pattern.exec(version)
  if (parts === null) return undefined
  const [next = 0, count = 0, revision = 0, recent = 0] = parts.slice(1, 5).map(Number)
  const running = (parts[5]?.split("-") ?? []).map((age) => next - Number(age))
  const horizon = { next, running }
  return isHorizon(horizon) ? { incarnation, horizon, count, revision, recent } : undefined
}

/** Running transactions, of which there are most often few or none, come last, by how far they are below `next`. */
export const formatInboxVersion = ({ count, horizon, incarnation, recent, revision }: InboxVersion): string => {
  const ages = horizon.running.map((transaction) => horizon.next - transaction)
  const version = qualify(incarnation, `${horizon.next}.${count}.${revision}.${recent}`)
  return ages.length === 0 ? version : `${version}.${ages.join("-")}`
}
