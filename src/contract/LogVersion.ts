import { Schema } from "effect"
import type { Version } from "../braid/Version.ts"
import { firstIncarnation, qualify, splitQualified, type Incarnation } from "./Incarnation.ts"
import { Position } from "./Conversation.ts"

/** How far a copy of a conversation's log goes, in which incarnation of the database. */
export interface LogVersion {
  readonly incarnation: Incarnation
  readonly position: Position
}

/** Clients take it for opaque. The root, before the first change, is the same in each incarnation. */
export const formatLogVersion = ({ incarnation, position }: LogVersion): string =>
  position === 0 ? "0" : qualify(incarnation, position)

/** Whether a version stands for the same history in an incarnation. */
export const isOfIncarnation = (version: LogVersion, incarnation: Incarnation): boolean =>
  version.incarnation === incarnation || version.position === 0

/** As the query of a URL has it; see {@link formatLogVersion}. */
export const LogVersionText = Schema.String.check(
  Schema.isPattern(/^(?:[a-z0-9]{1,16}-)?(?:0|[1-9]\d{0,14})$/, { message: "must be a version" })
)

/**
 * The position that a version stands for: its latest event, since each comes after all before it. `undefined` when one of its events
 * is none of ours, or they are of several incarnations. The root, no event at all, is position 0.
 */
export const parseLogVersion = (version: Version): LogVersion | undefined => {
  const events = version.map(splitQualified)
  const incarnation = events[0]?.incarnation ?? firstIncarnation
  if (!events.every((event) => event.incarnation === incarnation && /^(0|[1-9]\d{0,14})$/.test(event.version))) {
    return undefined
  }
  return { incarnation, position: Position.make(Math.max(0, ...events.map((event) => Number(event.version)))) }
}
