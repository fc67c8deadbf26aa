import { DateTime, Option } from "effect"
import { maxMarks } from "../contract/SearchPage.ts"
import { cut, fold, longText, type Term } from "./SearchTerms.ts"

/** A term to find. */
interface Wanted {
  readonly lexeme: string
  /** Whether longer terms that begin with it count. */
  readonly isPrefix: boolean
  /** One character of a script without spaces, which is found as the first of a pair. */
  readonly isCharacter: boolean
}

/** Terms that follow each other: a word, or a phrase. */
export type Phrase = ReadonlyArray<Wanted>

/** A query, parsed. */
export interface SearchQuery {
  /** All of them, in any order. */
  readonly phrases: ReadonlyArray<Phrase>
  /** Usernames in lower case, or `me`: any of them. */
  readonly from: ReadonlyArray<string>
  /** Ids of conversations, names of groups, usernames: any of them. */
  readonly in: ReadonlyArray<string>
  /** Posted earlier than this. */
  readonly before: DateTime.Utc | undefined
  /** Posted then or later. */
  readonly after: DateTime.Utc | undefined
}

/** A range of a text, in UTF-16 units. */
export interface Mark {
  readonly start: number
  readonly end: number
}

/** Quotation marks that keyboards write instead of the straight one. */
const quotationMarks = /[\u201c\u201d\u201e\u201f\uff02]/g

/** `name:value`, `name:"a value"`, `"a phrase"`, or a word. A missing quotation mark is added at the end. */
const part =
  /(?<operator>from|in|before|after):(?:"(?<quotedValue>[^"]*)(?:"|$)|(?<value>[^\s"]+))|"(?<phrase>[^"]*)(?<closed>"?)|(?<word>[^\s"]+)/giu

const date = /^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/i

/** A moment, or the first moment of a UTC day, month or year. */
const parseDate = (value: string): DateTime.Utc | undefined => {
  if (!date.test(value)) return undefined
  const withoutZone = /T[\d:.]+$/i.test(value)
  const parsed = Option.getOrUndefined(DateTime.make(withoutZone ? `${value}Z` : value))
  if (parsed === undefined) return undefined
  // 30 February is not a date, although JavaScript reads it as one in March.
  const day = /^\d{4}-(\d\d)-(\d\d)/.exec(value)
  if (day === null) return parsed
  const midnight = DateTime.make(`${value.slice(0, 10)}T00:00:00Z`)
  return Option.isSome(midnight) && DateTime.formatIso(midnight.value).slice(0, 10) === value.slice(0, 10)
    ? parsed
    : undefined
}

const isPair = ({ end, firstEnd }: Term) => firstEnd < end

const unspacedCharacter =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u3005-\u3007\u30fc]/u

/**
 * A run of an unspaced script ends with its last character alone, which a text has only where its own run ends: it is
 * looked for where another term follows at once, and else left out, unless it is all there is of the run.
 */
const toPhrase = (text: string, isUnfinished: boolean): Phrase => {
  const terms = cut(text)
  const [last, previous] = [terms.at(-1), terms.at(-2)]
  const isEndOfRun = last !== undefined && previous !== undefined && isPair(previous) && !isPair(last)
  const compared = isEndOfRun ? terms.slice(0, -1) : terms
  return compared.map((term, index) => {
    const isLast = index === compared.length - 1
    const isCharacter = isLast && !isPair(term) && unspacedCharacter.test(term.lexeme)
    return { lexeme: term.lexeme, isPrefix: isLast && (isUnfinished || isCharacter), isCharacter }
  })
}

/**
 * Parses a query as people type it: words, the last of which may be incomplete, `"phrases"`, and `from:`, `in:`, `before:`
 * and `after:`. A word with punctuation in it, such as a URL, is the phrase of its parts. An operator without a valid value
 * is words. Any text is a query.
 */
export const parseQuery = (text: string): SearchQuery => {
  const from: Array<string> = []
  const places: Array<string> = []
  let before: DateTime.Utc | undefined
  let after: DateTime.Utc | undefined
  const words: Array<{ readonly text: string; readonly isQuoted: boolean }> = []

  for (const { 0: whole, groups = {} } of text.replaceAll(quotationMarks, '"').matchAll(part)) {
    const { closed, operator, phrase, quotedValue, value = quotedValue } = groups
    const moment = value === undefined ? undefined : parseDate(value)
    const name = (value ?? "").replace(/^@/, "").trim()
    switch (operator?.toLowerCase()) {
      case "from":
        if (name === "") break
        from.push(name.toLowerCase())
        continue
      case "in":
        if (name === "") break
        places.push(name)
        continue
      case "before":
        if (moment === undefined) break
        before = before === undefined ? moment : DateTime.min(before, moment)
        continue
      case "after":
        if (moment === undefined) break
        after = after === undefined ? moment : DateTime.max(after, moment)
        continue
      default:
    }
    words.push({ text: phrase ?? whole, isQuoted: phrase !== undefined && closed !== "" })
  }

  const written = words.filter((word) => cut(word.text).length > 0)
  const phrases = written.map((word, index) => toPhrase(word.text, index === written.length - 1 && !word.isQuoted))
  return { phrases, from, in: places, before, after }
}

/** Whether a name is the value of `in:`, folded as words are. */
export const isNamed = (name: string, value: string): boolean => fold(name).trim() === fold(value).trim()

const operand = ({ isPrefix, lexeme }: Wanted) => (isPrefix ? `'${lexeme}':*` : `'${lexeme}'`)

/**
 * Phrases as the text of a `tsquery`, or `undefined` where there are none. Of a text whose positions did not all fit, it
 * only asks for the terms: {@link marksOf} decides.
 */
export const toTsquery = (phrases: ReadonlyArray<Phrase>): string | undefined => {
  if (phrases.length === 0) return undefined
  return phrases
    .map((phrase) => {
      const operands = phrase.map(operand)
      if (operands.length === 1) return operands[0]
      return `((${operands.join(" <-> ")}) | ('${longText}' & ${operands.join(" & ")}))`
    })
    .join(" & ")
}

/** The ranges of the phrases in a text, in order and without overlaps; `undefined` if it lacks one of the phrases. */
export const marksOf = (text: string, phrases: ReadonlyArray<Phrase>): ReadonlyArray<Mark> | undefined => {
  if (phrases.length === 0) return []
  const terms = cut(text)
  const indexes = new Map<string, Array<number>>()
  for (const [index, { lexeme }] of terms.entries()) {
    const known = indexes.get(lexeme)
    if (known === undefined) indexes.set(lexeme, [index])
    else known.push(index)
  }
  const indexesOf = ({ isPrefix, lexeme }: Wanted): ReadonlyArray<number> =>
    isPrefix
      ? Array.from(indexes, ([found, at]) => (found.startsWith(lexeme) ? at : [])).flat()
      : (indexes.get(lexeme) ?? [])
  const isAt = (index: number, { isPrefix, lexeme }: Wanted) => {
    const found = terms[index]?.lexeme
    return isPrefix ? found?.startsWith(lexeme) === true : found === lexeme
  }

  const marks: Array<Mark> = []
  for (const phrase of phrases) {
    const [first, ...others] = phrase
    if (first === undefined) continue
    const starts = indexesOf(first).filter((index) => others.every((wanted, next) => isAt(index + 1 + next, wanted)))
    if (starts.length === 0) return undefined
    for (const index of starts.toSorted((a, b) => a - b).slice(0, maxMarks)) {
      const [begin, end] = [terms[index], terms[index + others.length]]
      if (begin === undefined || end === undefined) continue
      marks.push({ start: begin.start, end: phrase.at(-1)?.isCharacter === true ? end.firstEnd : end.end })
    }
  }
  const merged: Array<Mark> = []
  for (const mark of marks.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    const previous = merged.at(-1)
    if (previous !== undefined && mark.start < previous.end) {
      merged[merged.length - 1] = { start: previous.start, end: Math.max(previous.end, mark.end) }
    } else merged.push(mark)
  }
  return merged.slice(0, maxMarks)
}
