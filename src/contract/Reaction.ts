import { Schema, SchemaTransformation } from "effect"
import { Model } from "effect/schema"
import { Profile, Timestamp, UserId } from "./Account.ts"
import { Problem } from "./Problem.ts"
import { Text } from "./Text.ts"

/** Most different reactions that one message has. */
export const maxReactions = 50

/** Most reactions of one person to one message. */
export const maxReactionsOfPerson = 20

/** People whom a message itself names for each of its reactions: the first ones. All of them are on a list of their own. */
export const maxReactorsNamed = 10

/** A name between colons. */
const shortCode = /^:[a-z0-9_+-]{1,62}:$/

/** One emoji that Unicode recommends for interchange (RGI, UTS #51), or a pictograph that a later Unicode may make one. */
const emoji = /^(?:\p{RGI_Emoji}|\p{Extended_Pictographic})$/v

/** Characters that are emoji only where U+FE0F follows; before a skin tone they are without it. */
const textByDefault = /(?:(?![#*\d])(?!\p{Emoji_Presentation})\p{Emoji}|[#*\d](?=\u20e3))(?!\p{Emoji_Modifier})/gu

/**
 * The one spelling of a reaction that is stored: of an emoji, the fully qualified one of UTS #51, whether it came with
 * variation selectors or without; of a short code, the one in lower case. Normalisation (NFC) changes neither.
 */
export const canonicalEmoji = (text: string): string =>
  text.startsWith(":")
    ? text.toLowerCase()
    : text.replaceAll(/[\ufe0e\ufe0f]/g, "").replaceAll(textByDefault, "$&\ufe0f")

const isReaction = (text: string) => shortCode.test(text) || emoji.test(text)

/** A reaction to take back, as a person spells it. A reaction that an older server stored need not be an {@link Emoji}. */
export const GivenEmoji = Text.check(Schema.isMaxLength(64))

/** A reaction: one emoji, or a short code such as `:tada:`. Any spelling is decoded into the canonical one. */
export const Emoji = GivenEmoji.pipe(
  Schema.decodeTo(
    Schema.String.check(
      Schema.makeFilter((text: string) => isReaction(text) || "must be one emoji, or a short code such as :tada:")
    ),
    SchemaTransformation.transform({ decode: canonicalEmoji, encode: (text) => text })
  )
)

/** How many reacted with one emoji, and who did so first, in the order in which they did. */
export const Reaction = Schema.Struct({
  emoji: Schema.String.check(Schema.isMaxLength(64)),
  count: Schema.Int,
  userIds: Schema.Array(UserId).check(Schema.isMaxLength(maxReactorsNamed))
})

/** Somebody who reacted, and when. */
export class Reactor extends Model.Class<Reactor>("Reactor")({ ...Profile.fields, reactedAt: Timestamp }) {}

/** The message, or the caller on it, has as many different reactions as there may be. */
export class ReactionLimitReached extends Problem<ReactionLimitReached>()("ReactionLimitReached") {}
