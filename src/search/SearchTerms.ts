/**
 * The rules that cut texts into the terms that search compares. They are our own, so that the same words find a text on Node,
 * on Deno, and with any locale of PostgreSQL.
 *
 * - A term is a run of letters, digits and marks of any script; everything else separates. A URL, a path or an address
 *   has no meaning of its own: it is the words between its punctuation.
 * - Terms are folded: compatibility forms (NFKC), case (`STRASSE` is `straße`), and accents of Latin, Greek and Cyrillic
 *   (`café` is `cafe`, `ё` is `е`), vowel points of Hebrew and Arabic. Invisible characters are left out.
 * - A script that is written without spaces, and Hangul, whose words carry their particles, has a term for every pair of
 *   neighbouring characters, and the last character of a run alone. So every part of a run is found.
 * - An emoji is a term.
 */

/** A term and where it stands in the text, in UTF-16 units. Its position is its index among the terms of its text. */
export interface Term {
  readonly lexeme: string
  readonly start: number
  readonly end: number
  /** Of a pair of characters, the end of the first; else the same as `end`. */
  readonly firstEnd: number
}

/** UTF-16 units of a lexeme, at most: up to 1,024 bytes, and PostgreSQL takes 2,046. Only these of a longer word count. */
const maxLexemeLength = 256

/** Scripts whose words have no spaces between them, and Hangul. Kana's prolonged sound marks belong to both of its scripts. */
const unspaced =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}\u3005-\u3007\u30fc"

/** A character of such a script with the marks on it. */
const unspacedCharacter = new RegExp(`[${unspaced}]\\p{M}*`, "gu")

const token = new RegExp(
  `(?<run>(?:[${unspaced}]\\p{M}*)+)|(?:(?![${unspaced}])[\\p{L}\\p{N}\\p{M}])+|\\p{Extended_Pictographic}`,
  "gu"
)

/** Accents and points that are folded away once a character is decomposed; marks that make another vowel stay. */
const foldedMarks = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0655\u0670\u0640]/g

/** Invisible characters, which are left out; but a zero-width space separates. */
const unseen = /(?!\u200b)[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu

/** Letters with a stroke or of two letters, which Unicode does not decompose. Upper case is folded before. */
const undecomposed: Readonly<Record<string, string>> = {
  æ: "ae",
  œ: "oe",
  ø: "o",
  đ: "d",
  ð: "d",
  ħ: "h",
  ł: "l",
  ŧ: "t",
  þ: "th",
  ς: "σ"
}
const undecomposedLetter = new RegExp(`[${Object.keys(undecomposed).join("")}]`, "g")

// Case is folded by way of capitals, which is what makes "ss" of "ß"; some capitals decompose only once they are small.
const foldOnce = (text: string): string =>
  text
    .normalize("NFKC")
    .toUpperCase()
    .toLowerCase()
    .normalize("NFKD")
    .replace(unseen, "")
    .replace(foldedMarks, "")
    .replace(undecomposedLetter, (letter) => undecomposed[letter] ?? letter)
    .normalize("NFKC")

/** A text in the one form in which texts are compared. Folding it again changes nothing. */
export const fold = (text: string): string => {
  let folded = foldOnce(text)
  for (let again = foldOnce(folded); again !== folded; again = foldOnce(folded)) folded = again
  return folded
}

/** Characters that compose with the one before them: marks, the vowels and tails of decomposed Hangul, half-width voiced marks. */
const following = "\\p{M}\u1160-\u11ff\ud7b0-\ud7fb\uff9e\uff9f"

/** Characters that are folded together, as far as they are not plain ASCII, which folds unit by unit. */
const cluster = new RegExp(`\\p{ASCII}[${following}]+|\\P{ASCII}[${following}]*`, "gu")

/** A cache of foldings, since texts have few different characters. */
const foldings = new Map<string, string>()

const foldCluster = (characters: string): string => {
  if (characters.length > 8) return fold(characters)
  let folded = foldings.get(characters)
  if (folded === undefined) {
    if (foldings.size >= 20_000) foldings.clear()
    folded = fold(characters)
    foldings.set(characters, folded)
  }
  return folded
}

/** A folded text, and for each of its units the range of the original that it comes from. */
interface Folded {
  readonly text: string
  readonly startOf: (unit: number) => number
  readonly endOf: (unit: number) => number
}

const isAscii = /^\p{ASCII}*$/u

const foldWithRanges = (text: string): Folded => {
  if (isAscii.test(text)) return { text: text.toLowerCase(), startOf: (unit) => unit, endOf: (unit) => unit + 1 }
  const starts: Array<number> = []
  const ends: Array<number> = []
  let folded = ""
  const plain = (from: number, to: number) => {
    for (let unit = from; unit < to; unit++) {
      starts.push(unit)
      ends.push(unit + 1)
    }
    folded += text.slice(from, to).toLowerCase()
  }
  let done = 0
  for (const { 0: characters, index } of text.matchAll(cluster)) {
    plain(done, index)
    done = index + characters.length
    const piece = foldCluster(characters)
    for (let unit = 0; unit < piece.length; unit++) {
      starts.push(index)
      ends.push(done)
    }
    folded += piece
  }
  plain(done, text.length)
  return { text: folded, startOf: (unit) => starts[unit] ?? 0, endOf: (unit) => ends[unit] ?? 0 }
}

const bounded = (word: string): string => {
  if (word.length <= maxLexemeLength) return word
  const cut = word.slice(0, maxLexemeLength)
  return cut.isWellFormed() ? cut : cut.slice(0, -1)
}

/** The terms of a text, in order. */
export const cut = (text: string): ReadonlyArray<Term> => {
  const { endOf, startOf, text: folded } = foldWithRanges(text)
  const terms: Array<Term> = []
  const add = (from: number, to: number, firstTo: number) =>
    terms.push({
      lexeme: bounded(folded.slice(from, to)),
      start: startOf(from),
      end: endOf(to - 1),
      firstEnd: endOf(firstTo - 1)
    })
  for (const { 0: word, index, groups } of folded.matchAll(token)) {
    if (groups?.["run"] === undefined) {
      add(index, index + word.length, index + word.length)
      continue
    }
    let previous: { readonly from: number; readonly to: number } | undefined
    for (const { 0: character, index: at } of word.matchAll(unspacedCharacter)) {
      const current = { from: index + at, to: index + at + character.length }
      if (previous !== undefined) add(previous.from, current.to, previous.to)
      previous = current
    }
    if (previous !== undefined) add(previous.from, previous.to, previous.to)
  }
  return terms
}

/** PostgreSQL's limits: positions from 1 to this, and so many of one lexeme. */
const maxPosition = 16_383
const maxPositionsOfLexeme = 255

/** Most bytes of all lexemes of a text: PostgreSQL takes 1,048,575 with their positions. */
const maxVectorBytes = 700_000

/** The lexeme of texts whose positions do not all fit. No term has an `@`. */
export const longText = "@long"

const quoted = (lexeme: string) => `'${lexeme}'`

/**
 * Terms as the text of a `tsvector`, with lexemes of other kinds (with an `@`) that have no position. Lexemes are letters,
 * digits, marks and emoji, so that none needs an escape, and PostgreSQL's locale has no say in how they are read.
 */
export const toVector = (terms: ReadonlyArray<Term>, others: ReadonlyArray<string> = []): string => {
  const positions = new Map<string, Array<number>>()
  let bytes = 0
  let isLong = false
  for (const [index, { lexeme }] of terms.entries()) {
    let places = positions.get(lexeme)
    if (places === undefined) {
      bytes += lexeme.length * 3
      if (bytes > maxVectorBytes) {
        isLong = true
        continue
      }
      positions.set(lexeme, (places = []))
    }
    if (index >= maxPosition || places.length >= maxPositionsOfLexeme) isLong = true
    else places.push(index + 1)
  }
  const written = Array.from(positions, ([lexeme, places]) =>
    places.length === 0 ? quoted(lexeme) : `${quoted(lexeme)}:${places.join()}`
  )
  return [...written, ...(isLong ? [longText, ...others] : others).map(quoted)].join(" ")
}
