import { malformed, parsed, type Parsed } from "./Parsed.ts"
import { maximumEventIdLength, parseVersion, type Version } from "./Version.ts"

/** What the Braid headers of a request ask for. */
export interface BraidRequest {
  /** Whether to keep sending updates after the current state. */
  readonly subscribe: boolean
  /** The version asked for or, on a write, the version made. `undefined` when the header is absent. */
  readonly version: Version | undefined
  /** What the client already has. `undefined` when the header is absent; the empty version asks for everything. */
  readonly parents: Version | undefined
  /** Seconds between heartbeats, from 1 to 60. `undefined` when not asked for. */
  readonly heartbeats: number | undefined
  /** The name the client gives itself. */
  readonly peer: string | undefined
}

/** Request headers by lower-case name; the values of repeated lines joined by ", ". */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

const minimumHeartbeats = 1
const maximumHeartbeats = 60

const absent = parsed(undefined)

// braid-http-04, section 4.1: the value "may be blank, set to true, or contain arbitrary data". The two ways in which
// RFC 8941 and JSON say no are the only ones understood as no.
const parseSubscribe = (value: string | undefined): boolean =>
  value !== undefined && !["?0", "false"].includes(value.trim().toLowerCase())

const parseOptionalVersion = (header: string, value: string | undefined): Parsed<Version | undefined> =>
  value === undefined ? absent : parseVersion(header, value)

const parseHeartbeats = (value: string | undefined): Parsed<number | undefined> => {
  if (value === undefined) return absent
  const seconds = /^(\d+(?:\.\d+)?)s?$/i.exec(value.trim())?.[1]
  if (seconds === undefined) return malformed("Heartbeats must be a number of seconds, such as 20 or 20s.")
  return parsed(Math.min(Math.max(Number(seconds), minimumHeartbeats), maximumHeartbeats))
}

const parsePeer = (value: string | undefined): Parsed<string | undefined> => {
  if (value === undefined) return absent
  const bare = /^[\x21\x23-\x2b\x2d-\x7e]+$/.test(value)
  const names = bare ? parsed([value]) : parseVersion("Peer", value)
  const name = names._tag === "Parsed" && names.value.length === 1 ? names.value[0] : undefined
  return name === undefined || name.length > maximumEventIdLength
    ? malformed(
        `Peer must be one name of at most ${maximumEventIdLength} characters, quoted if it has spaces or commas.`
      )
    : parsed(name)
}

/** Reads the Braid headers of a request. A failure is the client's: it is answered with 400 and the reason. */
export const parseRequest = (headers: RequestHeaders): Parsed<BraidRequest> => {
  const version = parseOptionalVersion("Version", headers["version"])
  if (version._tag === "Malformed") return version
  const parents = parseOptionalVersion("Parents", headers["parents"])
  if (parents._tag === "Malformed") return parents
  const heartbeats = parseHeartbeats(headers["heartbeats"])
  if (heartbeats._tag === "Malformed") return heartbeats
  const peer = parsePeer(headers["peer"])
  if (peer._tag === "Malformed") return peer
  const subscribe = parseSubscribe(headers["subscribe"])
  // braid-http-04, section 2.5: where Version is, Subscribe must be absent; a subscription begins at Parents.
  if (subscribe && version.value !== undefined) {
    return malformed("Version cannot go with Subscribe: name the version you have in Parents.")
  }
  return parsed({
    subscribe,
    version: version.value,
    parents: parents.value,
    heartbeats: heartbeats.value,
    peer: peer.value
  })
}
