import { Schema } from "effect"
import type { Version } from "../braid/Version.ts"
import { firstIncarnation, qualify, splitQualified, type Incarnation } from "./Incarnation.ts"
import { Position } from "./Conversation.ts"

/** The position that a copy of a conversation's log has reached, and the incarnation of the database. */
export interface LogVersion {
  readonly incarnation: Incarnation
  readonly position: Position
}

/** The version as clients see it, opaque to them. The root, before the first change, is the same in each incarnation. */
export const formatLogVersion = ({ incarnation, position }: LogVersion): string =>
  position === 0 ? "0" : qualify(incarnation, position)

/** Whether a version denotes the same history in an incarnation. */
export const isOfIncarnation = (version: LogVersion, incarnation: Incarnation): boolean =>
  version.incarnation === incarnation || version.position === 0

/** A version in the query of a URL; see {@link formatLogVersion}. */
export const LogVersionText = Schema.String.check(
  Schema.isPattern(/^(?:[a-z0-9]{1,16}-)?(?:0|[1-9]\d{0,14})$/, { message: "must be a version" })
)

/**
 * The position that a version denotes: its latest event, since each event follows all earlier ones. `undefined` if an event
 * is not one of ours, or if the events are of several incarnations. The root, which has no event, is position 0.
 */
export const parseLogVersion = (version: Version): LogVersion | undefined => {
  const events = version.map(splitQualified)
  const incarnation = events[0]?.incarnation ?? firstIncarnation
  if (!events.every((event) => event.incarnation === incarnation && /^(0|[1-9]\d{0,14})$/.test(event.version))) {
    return undefined
  }
  return { incarnation, position: Position.make(Math.max(0, ...events.map((event) => Number(event.version)))) }
}
