import { Option } from "effect"

/** The settings in a connection string, by libpq's keywords, as text. */
export type Parameters = ReadonlyMap<string, string>

/** The reason why a text is not a connection string. It quotes no part of the text, which may be a password. */
export class Malformed extends Error {}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Malformed("it has a broken percent-encoding")
  }
}

const hostPattern = /^(\[[0-9A-Fa-f:.%]+\]|[^:[\]]*)(?::(\d*))?$/

/** The hosts of a URI, and their ports: lists with commas. */
const readHosts = (text: string): ReadonlyArray<readonly [keyword: string, value: string]> => {
  const hosts = text.split(",").map((part) => {
    const match = hostPattern.exec(part)
    if (match === null) throw new Malformed("it is not a URL")
    const [, host = "", port = ""] = match
    return { host: decode(host.replace(/^\[(.*)\]$/, "$1")), port }
  })
  return [
    ...(hosts.some(({ host }) => host !== "") ? [["host", hosts.map(({ host }) => host).join()] as const] : []),
    ...(hosts.some(({ port }) => port !== "") ? [["port", hosts.map(({ port }) => port).join()] as const] : [])
  ]
}

/** A URI as libpq reads it: PostgreSQL's manual, "Connection URIs". */
const parseUri = (uri: string): Parameters => {
  const [, authority = "", path = "", query = ""] = /^([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?/s.exec(uri) ?? []
  const pairs = query.split("&").filter((pair) => pair !== "")
  // Each of these ends the host, so that a part of the password would become the host, and be shown.
  if (uri.includes("#") || path.includes("@") || pairs.some((pair) => /^[^=]*@/.test(pair))) {
    throw new Malformed("a / ? or # in it is not percent-encoded")
  }
  const at = authority.lastIndexOf("@")
  const [username = "", ...password] = authority.slice(0, Math.max(0, at)).split(":")
  const found = new Map<string, string>()
  const add = (keyword: string, value: string) => value !== "" && found.set(keyword, value)
  add("user", decode(username))
  add("password", decode(password.join(":")))
  for (const [keyword, value] of readHosts(authority.slice(at + 1))) add(keyword, value)
  add("dbname", decode(path.slice(1)))
  for (const pair of pairs) {
    const [keyword = "", ...value] = pair.split("=")
    add(decode(keyword), decode(value.join("=")))
  }
  // JDBC's spelling of sslmode=require.
  if (found.get("ssl") === "true" && !found.has("sslmode")) found.set("sslmode", "require")
  return found
}

const pairPattern = /\s*([A-Za-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)/sy

/** libpq's other form, `host=db dbname='my chat'`: PostgreSQL's manual, "Keyword/Value Connection Strings". */
const parsePairs = (text: string): Parameters => {
  const found = new Map<string, string>()
  pairPattern.lastIndex = 0
  while (pairPattern.lastIndex < text.trimEnd().length) {
    const match = pairPattern.exec(text)
    if (match === null) throw new Malformed("a value in it must be quoted: 'it\\'s'")
    const [, keyword = "", value = ""] = match
    const plain = value.replace(/^'(.*)'$/s, "$1").replaceAll(/\\(.)/gs, "$1")
    if (plain !== "") found.set(keyword, plain)
  }
  return found
}

/** Reads a connection string in either of libpq's forms. Throws {@link Malformed}. */
export const parseConnectionString = (text: string): Parameters => {
  const uri = Option.fromNullishOr(/^postgres(?:ql)?:\/\/(.*)$/s.exec(text)?.[1])
  if (Option.isSome(uri)) return parseUri(uri.value)
  if (/^\s*[A-Za-z_]+\s*=/.test(text)) return parsePairs(text)
  throw new Malformed("it does not start with postgresql://")
}
