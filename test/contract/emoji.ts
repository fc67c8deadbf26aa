/** Every emoji of one code point, fully qualified. */
export const singles = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point))
  .flatMap((text) => [text, `${text}\ufe0f`])
  .filter((text) => /^\p{RGI_Emoji}$/v.test(text))

/** Emoji of several code points, fully qualified. */
export const sequences = [
  "👍🏽",
  "✌🏿",
  "1️⃣",
  "#️⃣",
  "🇩🇪",
  "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
  "🏴‍☠️",
  "👨‍👩‍👧‍👦",
  "👩🏻‍❤️‍💋‍👩🏿",
  "🏳️‍🌈",
  "👁️‍🗨️",
  "🕵🏽‍♂️",
  "🕵️‍♂️",
  "❤️‍🔥",
  "🐻‍❄️",
  "🧑🏾‍🚒",
  "⛹️‍♀️"
]
