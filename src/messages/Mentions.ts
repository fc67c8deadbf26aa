/** Most people whom one message can mention. */
export const maxMentions = 50

/** A text without its code: the parts between two equal runs of backticks, and after a fence that is never closed. */
const withoutCode = (text: string): string => {
  if (!text.includes("`")) return text
  const runs = Array.from(text.matchAll(/`+/g), (run) => ({ start: run.index, end: run.index + run[0].length }))
  /** The end of the next run of the same length, by the start of a run. */
  const closings = new Map<number, number>()
  const nearest = new Map<number, number>()
  for (const { end, start } of runs.toReversed()) {
    const closing = nearest.get(end - start)
    if (closing !== undefined) closings.set(start, closing)
    nearest.set(end - start, end)
  }
  let prose = ""
  let from = 0
  for (const { end, start } of runs) {
    if (start < from) continue
    const closing = closings.get(start)
    const isFence = end - start >= 3 && (start === 0 || text[start - 1] === "\n")
    if (closing === undefined && !isFence) continue
    prose += `${text.slice(from, start)} `
    from = closing ?? text.length
  }
  return prose + text.slice(from)
}

/** The rest of a URL, up to a character that ends it: after its scheme, after `www.`, or from a host with a path on. */
const url = /(?::\/\/|\bwww\.|^(?=[^@\/?#]*\.)[^@\/?#]+[\/?#])[[^<>"]--[\p{P}--\p{ASCII}]]*/giv

const name = String.raw`@[A-Za-z][A-Za-z0-9_]{2,29}`

/** A character of a word, except in scripts that put no space between words and names. */
const inWord = String.raw`[[\p{L}\p{M}\p{N}_]--[\p{scx=Han}\p{scx=Hangul}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]]`

/**
 * One name, or several with slashes between them, in a word without its URLs. Neither the host of an e-mail address nor the
 * first part of an address such as `@ada@example.com`.
 */
const mention = new RegExp(
  String.raw`(?<![@\/\\]|${inWord})${name}(?:\/${name})*(?!${inWord}|@[\p{L}\p{N}\-]+\.)(?:(?<=^[@\/\w]+)|(?!\.[\p{L}\p{N}]))`,
  "gv"
)

/**
 * The usernames that a text mentions as `@username`, in lower case, each once. A mention begins a word; URLs, e-mail addresses
 * and code have no mentions.
 */
export const mentionedNames = (content: unknown): ReadonlyArray<string> => {
  if (typeof content !== "string" || !content.includes("@")) return []
  const names = new Set<string>()
  for (const word of withoutCode(content).match(/\S+/g) ?? []) {
    if (!word.includes("@")) continue
    const rest = /[.:]/.test(word) ? word.replace(url, "/") : word
    for (const run of rest.match(mention) ?? []) {
      for (const mentioned of run.split("/")) {
        names.add(mentioned.slice(1).toLowerCase())
        if (names.size === maxMentions) return [...names]
      }
    }
  }
  return [...names]
}
