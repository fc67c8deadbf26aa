import { Schema, SchemaTransformation } from "effect"
import { Model } from "effect/schema"
import { Profile, timestamp, UserId } from "./Account.ts"
import { described } from "./Description.ts"
import { Problem } from "./Problem.ts"
import { Text } from "./Text.ts"

/** The most different reactions to one message. */
export const maxReactions = 50

/** The most reactions of one person to one message. */
export const maxReactionsOfPerson = 20

/** The people whom a message names for each reaction: the first ones. A list of its own has all of them. */
export const maxReactorsNamed = 10

/** A name between colons. */
const shortCode = /^:[a-z0-9_+-]{1,62}:$/

/** One emoji that Unicode recommends for interchange (RGI, UTS #51), or a pictograph that may become one. */
const emoji = /^(?:\p{RGI_Emoji}|\p{Extended_Pictographic})$/v

/** Characters that are emoji only if U+FE0F follows, which is left out before a skin tone. */
const textByDefault = /(?:(?![#*\d])(?!\p{Emoji_Presentation})\p{Emoji}|[#*\d](?=\u20e3))(?!\p{Emoji_Modifier})/gu

/**
 * The spelling of a reaction that is stored: the fully qualified form of an emoji (UTS #51), whatever variation selectors it
 * came with, and the lower case of a short code. Normalisation (NFC) changes neither.
 */
export const canonicalEmoji = (text: string): string =>
  text.startsWith(":")
    ? text.toLowerCase()
    : text.replaceAll(/[\ufe0e\ufe0f]/g, "").replaceAll(textByDefault, "$&\ufe0f")

const isReaction = (text: string) => shortCode.test(text) || emoji.test(text)

/** A reaction to remove, in any spelling. One that an older server stored need not be an {@link Emoji}. */
export const GivenEmoji = Text.check(Schema.isMaxLength(64))

/** A reaction: one emoji, or a short code such as `:tada:`. Any spelling decodes to the canonical one. */
export const Emoji = GivenEmoji.pipe(
  Schema.decodeTo(
    Schema.String.check(
      Schema.makeFilter((text: string) => isReaction(text) || "must be one emoji, or a short code such as :tada:")
    ),
    SchemaTransformation.transform({ decode: canonicalEmoji, encode: (text) => text })
  )
)

/** A reaction to a message, with the people who gave it first, in that order. */
export const Reaction = Schema.Struct({
  emoji: Schema.String.check(Schema.isMaxLength(64)).pipe(described("One emoji, or a short code such as `:tada:`.")),
  count: Schema.Int.pipe(described("The number of people who reacted with it.")),
  userIds: Schema.Array(UserId)
    .check(Schema.isMaxLength(maxReactorsNamed))
    .pipe(described(`The ids of the first ${maxReactorsNamed} people who reacted with it.`))
})

/** A person who reacted. */
export class Reactor extends Model.Class<Reactor>("Reactor")({
  ...Profile.fields,
  reactedAt: timestamp("The time of the reaction.")
}) {}

/** The message, or the caller's part in it, has as many different reactions as are allowed. */
export class ReactionLimitReached extends Problem<ReactionLimitReached>()("ReactionLimitReached") {}
