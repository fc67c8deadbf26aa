import { malformed, parsed, type Parsed } from "./Parsed.ts"
import { parseVersion, type Version } from "./Version.ts"

/** The Braid headers of a request. */
export interface BraidRequest {
  /** Whether updates follow the current state. */
  readonly subscribe: boolean
  /** The version to read or, on a write, to make. `undefined` when the header is absent. */
  readonly version: Version | undefined
  /** The version that the client has. `undefined` when the header is absent; the empty version asks for everything. */
  readonly parents: Version | undefined
  /** Seconds between heartbeats, from 1 to 60. `undefined` when the header is absent. */
  readonly heartbeats: number | undefined
}

/** Request headers by lower-case name; the values of repeated lines joined by ", ". */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

const minimumHeartbeats = 1
const maximumHeartbeats = 60

const absent = parsed(undefined)

/**
 * Whether the value of a `Subscribe` header asks for a subscription. braid-http-04, section 4.1: it "may be blank, set to true,
 * or contain arbitrary data". Only the ways in which RFC 8941 and JSON write false are taken for no.
 */
export const asksToSubscribe = (value: string | undefined): boolean =>
  value !== undefined && !["?0", "false"].includes(value.trim().toLowerCase())

const parseOptionalVersion = (header: string, value: string | undefined): Parsed<Version | undefined> =>
  value === undefined ? absent : parseVersion(header, value)

const parseHeartbeats = (value: string | undefined): Parsed<number | undefined> => {
  if (value === undefined) return absent
  const seconds = /^(\d+(?:\.\d+)?)s?$/i.exec(value.trim())?.[1]
  if (seconds === undefined) return malformed("Heartbeats must be a number of seconds, such as 20 or 20s.")
  return parsed(Math.min(Math.max(Number(seconds), minimumHeartbeats), maximumHeartbeats))
}

/** Reads the Braid headers of a request. A malformed one is answered with 400 and the reason. */
export const parseRequest = (headers: RequestHeaders): Parsed<BraidRequest> => {
  const version = parseOptionalVersion("Version", headers["version"])
  if (version._tag === "Malformed") return version
  const parents = parseOptionalVersion("Parents", headers["parents"])
  if (parents._tag === "Malformed") return parents
  const heartbeats = parseHeartbeats(headers["heartbeats"])
  if (heartbeats._tag === "Malformed") return heartbeats
  const subscribe = asksToSubscribe(headers["subscribe"])
  // braid-http-04, section 2.5: a request with Version has no Subscribe; a subscription begins at Parents.
  if (subscribe && version.value !== undefined) {
    return malformed("Version cannot go with Subscribe: send the version that you have in Parents.")
  }
  return parsed({
    subscribe,
    version: version.value,
    parents: parents.value,
    heartbeats: heartbeats.value
  })
}
