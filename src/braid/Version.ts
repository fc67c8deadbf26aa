import { malformed, parsed, type Parsed } from "./Parsed.ts"

/**
 * A point in a resource's history: a set of event ids (versions-05, section 2.2.2). One id is a point on a line; the empty
 * set is the root, before the first event.
 */
export type Version = ReadonlyArray<string>

/** The most event ids a version may have. */
export const maximumEventIds = 64

/** The most characters (UTF-16 code units) an event id may have. */
export const maximumEventIdLength = 200

// The longest header within these bounds has each character as \uXXXX, each id in quotes and followed by ", ".
const maximumHeaderLength = maximumEventIds * (maximumEventIdLength * 6 + 4)

/**
 * Reads the value of a `Version`, `Parents` or `Current-Version` header: double-quoted strings with JSON's escapes,
 * separated by commas. The empty value is the root. `header` is the name in the reason of a failure.
 *
 * versions-05 (section 2.2.1) asks for RFC 8941 strings, which have two escapes and only ASCII. Deployed clients write JSON
 * strings, which include those, so this reads JSON.
 */
export const parseVersion = (header: string, value: string): Parsed<Version> => {
  if (value.length > maximumHeaderLength) return malformed(`${header} is too long.`)
  let ids: unknown
  try {
    ids = JSON.parse(`[${value}]`)
  } catch {
    ids = undefined
  }
  if (!Array.isArray(ids) || !ids.every((id): id is string => typeof id === "string")) {
    return malformed(`${header} must be a comma-separated list of double-quoted strings, such as "57".`)
  }
  if (ids.length > maximumEventIds) return malformed(`${header} has more than ${maximumEventIds} ids.`)
  if (ids.some((id) => id.length > maximumEventIdLength)) {
    return malformed(`${header} has an id of more than ${maximumEventIdLength} characters.`)
  }
  return parsed(ids)
}

const unicodeEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/**
 * Writes a version as a header value: printable ASCII whatever the ids hold, so that it can neither end a line nor be
 * changed on its way. Sorted, so that one version has one spelling (versions-05, section 2.2.1).
 */
export const formatVersion = (version: Version): string =>
  version
    .toSorted()
    .map((id) => JSON.stringify(id).replace(/[^\x20-\x7e]/g, unicodeEscape))
    .join(", ")
