import { Schema } from "effect"
import { Model } from "effect/schema"
import { described } from "./Description.ts"
import { Problem } from "./Problem.ts"
import { isMaxBytes, Line, Text, Time, Uuid } from "./Text.ts"

export const UserId = Uuid.pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/** 3 to 30 ASCII letters, digits and underscores, a letter first. Unique regardless of case. */
export const Username = Schema.String.check(
  Schema.isMaxLength(30),
  Schema.isPattern(/^[A-Za-z][A-Za-z0-9_]{2,29}$/, {
    message: "must be 3 to 30 letters, digits or underscores, starting with a letter"
  })
)

/** At most 254 characters (RFC 5321 section 4.5.3.1.3), one @ with text on both sides. Unique regardless of case. */
export const Email = Text.check(
  Schema.isMaxLength(254),
  Schema.isPattern(/^[^\s@\p{C}]+@[^\s@\p{C}.]+(\.[^\s@\p{C}.]+)*$/u, { message: "must be an e-mail address" })
)

/** Alphabets with letters that look like those of another one. */
const alphabets = [
  /\p{Script=Latin}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
  /\p{Script=Coptic}/u
]
const isMixed = (word: string) => alphabets.filter((alphabet) => alphabet.test(word)).length > 1

/** A person's name, in any script. No word mixes alphabets, so that nobody becomes another "Ada" with a Cyrillic "а". */
export const DisplayName = Line(64).check(
  Schema.makeFilter(
    (text: string) => !(text.match(/[\p{L}\p{M}\p{N}]+/gu) ?? []).some(isMixed) || "must not mix alphabets in one word"
  )
)

/** A picture of a person. Other people's browsers fetch it, so it is https and holds no credentials. */
export const AvatarUrl = Text.check(
  Schema.isMaxLength(2_048),
  Schema.isPattern(/^https:\/\/[^\s/?#@\\]+([/?#][\x21-\x7e]*)?$/, { message: "must be an https URL" }),
  Schema.makeFilter((text: string) => URL.canParse(text) || "must be an https URL")
)

/** At least 8 characters; at most 1,024 bytes, so that hashing has a bounded cost. */
export const Password = Schema.RedactedFromValue(Text.check(Schema.isMinCodePoints(8), isMaxBytes(1024)), {
  label: "password"
})

/** A time: RFC 3339 in JSON, timestamptz in the database. */
export const timestamp = (description: string) =>
  Model.Field({
    select: Schema.DateTimeUtcFromDate,
    json: Time.pipe(described(description))
  })

/** A time that may be missing. */
export const timestampOrNull = (description: string) =>
  Model.Field({
    select: Schema.NullOr(Schema.DateTimeUtcFromDate),
    json: Schema.NullOr(Time).pipe(described(description))
  })

/** The part of an account that everybody may see. */
export class Profile extends Model.Class<Profile>("Profile")({
  id: UserId.pipe(described("The user's id.")),
  username: Schema.String.pipe(described("Unique regardless of case; it may change.")),
  displayName: Schema.NullOr(Schema.String).pipe(described("The name to show, if the user has chosen one.")),
  avatarUrl: Schema.NullOr(Schema.String).pipe(described("An https URL of a picture."))
}) {}

/** The people who may open a direct conversation with a user. */
export const DirectMessagesFrom = Schema.Literals(["everyone", "friends", "nobody"])

/** Choices that users make for themselves. */
const settings = {
  directMessagesFrom: DirectMessagesFrom.pipe(
    described("The people who may open a direct conversation with the user.")
  ),
  isDiscoverable: Schema.Boolean.pipe(
    described("Whether part of the username finds the user. The whole username or e-mail address always does.")
  ),
  showsPresence: Schema.Boolean.pipe(
    described("Whether others see that the user is online. A user who hides this sees nobody else's presence.")
  )
}

/** A user's own account, which only that user sees. An account from before addresses were unique may have no e-mail. */
export class Account extends Model.Class<Account>("Account")({
  id: Profile.fields.id,
  username: Profile.fields.username,
  email: Schema.NullOr(Schema.String).pipe(described("Unique regardless of case. Nobody else sees it.")),
  displayName: Profile.fields.displayName,
  avatarUrl: Profile.fields.avatarUrl,
  ...settings,
  createdAt: timestamp("The time of the sign-up.")
}) {}

const deviceName = Schema.optionalKey(Line(64)).pipe(described("A name for the session in the list of sessions."))

const profile = {
  username: Username.pipe(described("3 to 30 letters, digits or underscores, starting with a letter.")),
  email: Email.pipe(described("An e-mail address that no other account has.")),
  displayName: DisplayName.pipe(described("The name to show: up to 64 characters, in any script.")),
  avatarUrl: AvatarUrl.pipe(described("An https URL of a picture."))
}

export const Signup = Schema.Struct({
  username: profile.username,
  email: profile.email,
  password: Password.pipe(described("At least 8 characters, at most 1,024 bytes.")),
  displayName: Schema.optionalKey(profile.displayName),
  avatarUrl: Schema.optionalKey(profile.avatarUrl),
  deviceName
}).annotate({ identifier: "Signup" })
export type Signup = typeof Signup.Type

/** A password to compare with the stored one: any text that might be one. */
const GivenPassword = Schema.RedactedFromValue(Text.check(Schema.isMaxLength(1024)), { label: "password" })

const currentPassword = GivenPassword.pipe(described("The password that the account has now."))

/**
 * The one rule by which logins are compared, in each database: trimmed, and with only ASCII letters in lower case. In SQL:
 * `lower(… COLLATE "C")`.
 */
export const foldLogin = (login: string): string =>
  login.trim().replaceAll(/[A-Z]+/g, (capitals) => capitals.toLowerCase())

export const Login = Schema.Struct({
  login: Text.check(Schema.isMaxLength(254)).pipe(described("A username or an e-mail address.")),
  password: GivenPassword.pipe(described("The account's password.")),
  deviceName
}).annotate({ identifier: "Login" })
export type Login = typeof Login.Type

/** The changes to an account: a missing member leaves its value unchanged, and `null` clears it. */
export const AccountChange = Schema.Struct({
  username: Schema.optionalKey(profile.username),
  email: Schema.optionalKey(profile.email),
  displayName: Schema.optionalKey(Schema.NullOr(DisplayName)).pipe(described("The name to show; `null` removes it.")),
  avatarUrl: Schema.optionalKey(Schema.NullOr(AvatarUrl)).pipe(
    described("An https URL of a picture; `null` removes it.")
  ),
  directMessagesFrom: Schema.optionalKey(settings.directMessagesFrom),
  isDiscoverable: Schema.optionalKey(settings.isDiscoverable),
  showsPresence: Schema.optionalKey(settings.showsPresence),
  // The person who controls the address controls the account.
  currentPassword: Schema.optionalKey(GivenPassword).pipe(described("Required to change the e-mail address."))
})
  .check(
    Schema.makeFilter(({ currentPassword, email }) =>
      email !== undefined && currentPassword === undefined
        ? { path: ["currentPassword"], issue: "is required to change the e-mail address" }
        : true
    )
  )
  .annotate({ identifier: "AccountChange" })
export type AccountChange = typeof AccountChange.Type

export const PasswordChange = Schema.Struct({
  currentPassword,
  newPassword: Password.pipe(described("At least 8 characters, at most 1,024 bytes."))
}).annotate({ identifier: "PasswordChange" })
export type PasswordChange = typeof PasswordChange.Type

export const AccountDeletionRequest = Schema.Struct({ currentPassword }).annotate({ identifier: "AccountDeletion" })

/** The credentials are missing, wrong, expired or revoked. It never says which. */
export class Unauthorized extends Problem<Unauthorized>()("Unauthorized") {}

export class UsernameTaken extends Problem<UsernameTaken>()("UsernameTaken") {}

export class EmailTaken extends Problem<EmailTaken>()("EmailTaken") {}
