import { Schema } from "effect"
import { Model } from "effect/schema"
import { Problem } from "./Problem.ts"
import { isMaxBytes, Line, Text, Uuid } from "./Text.ts"

export const UserId = Uuid.pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/** 3 to 30 ASCII letters, digits and underscores, a letter first. Unique whatever the case. */
export const Username = Schema.String.check(
  Schema.isMaxLength(30),
  Schema.isPattern(/^[A-Za-z][A-Za-z0-9_]{2,29}$/, {
    message: "must be 3 to 30 letters, digits or underscores, with a letter first"
  })
)

/** At most 254 characters (RFC 5321 section 4.5.3.1.3), one @ with something on both sides. Unique whatever the case. */
export const Email = Text.check(
  Schema.isMaxLength(254),
  Schema.isPattern(/^[^\s@\p{C}]+@[^\s@\p{C}.]+(\.[^\s@\p{C}.]+)*$/u, { message: "must be an e-mail address" })
)

/** Alphabets that have letters which look like another's. */
const alphabets = [
  /\p{Script=Latin}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
  /\p{Script=Coptic}/u
]
const isMixed = (word: string) => alphabets.filter((alphabet) => alphabet.test(word)).length > 1

/** How a person is called, in any script. No word mixes alphabets, so that a Cyrillic "а" does not make another "Ada". */
export const DisplayName = Line(64).check(
  Schema.makeFilter(
    (text: string) => !(text.match(/[\p{L}\p{M}\p{N}]+/gu) ?? []).some(isMixed) || "must not mix alphabets in one word",
    { identifier: "WordsOfOneAlphabet" }
  )
)

/** Where a picture of a person is: browsers of others fetch it, so it is https, and holds no credentials. */
export const AvatarUrl = Text.check(
  Schema.isMaxLength(2_048),
  Schema.isPattern(/^https:\/\/[^\s/?#@\\]+([/?#][\x21-\x7e]*)?$/, { message: "must be an https URL" }),
  Schema.makeFilter((text: string) => URL.canParse(text) || "must be an https URL", { identifier: "Url" })
)

/** At least 8 characters; at most 1,024 bytes, so that hashing has a bounded cost. */
export const Password = Schema.RedactedFromValue(Text.check(Schema.isMinCodePoints(8), isMaxBytes(1024)), {
  label: "password"
})

/** A time as RFC 3339 in JSON and as timestamptz in the database. */
export const Timestamp = Model.Field({
  select: Schema.DateTimeUtcFromDate,
  json: Schema.DateTimeUtcFromString
})

/** What everybody may know of a person. */
export class Profile extends Model.Class<Profile>("Profile")({
  id: UserId,
  username: Schema.String,
  displayName: Schema.NullOr(Schema.String),
  avatarUrl: Schema.NullOr(Schema.String)
}) {}

/** Who may open a direct conversation with a person. */
export const DirectMessagesFrom = Schema.Literals(["everyone", "friends", "nobody"])

/** What people decide about themselves. */
const settings = {
  directMessagesFrom: DirectMessagesFrom,
  /** Whether a part of the username finds them. The whole of it, or of the address, always does. */
  isDiscoverable: Schema.Boolean,
  /** Whether others see when they are here. Who hides it does not see that of others. */
  showsPresence: Schema.Boolean
}

/** A person's own account, as only they see it. An account from before addresses were unique may have no e-mail. */
export class Account extends Model.Class<Account>("Account")({
  id: UserId,
  username: Schema.String,
  email: Schema.NullOr(Schema.String),
  displayName: Schema.NullOr(Schema.String),
  avatarUrl: Schema.NullOr(Schema.String),
  ...settings,
  createdAt: Timestamp
}) {}

export const Signup = Schema.Struct({
  username: Username,
  email: Email,
  password: Password,
  displayName: Schema.optionalKey(DisplayName),
  avatarUrl: Schema.optionalKey(AvatarUrl),
  deviceName: Schema.optionalKey(Line(64))
}).annotate({ identifier: "Signup" })
export type Signup = typeof Signup.Type

/** A password to be compared with the one that is stored: any text that might be one. */
const GivenPassword = Schema.RedactedFromValue(Text.check(Schema.isMaxLength(1024)), { label: "password" })

/**
 * The one rule by which logins are compared, in each database: without the spaces around, and of letters only the capitals of
 * ASCII as small ones. In SQL: `lower(… COLLATE "C")`.
 */
export const foldLogin = (login: string): string =>
  login.trim().replaceAll(/[A-Z]+/g, (capitals) => capitals.toLowerCase())

export const Login = Schema.Struct({
  /** A username or an e-mail address. */
  login: Text.check(Schema.isMaxLength(254)),
  password: GivenPassword,
  deviceName: Schema.optionalKey(Line(64))
}).annotate({ identifier: "Login" })
export type Login = typeof Login.Type

/** What of an account changes; what is left out stays, `null` takes it away. */
export const AccountChange = Schema.Struct({
  username: Schema.optionalKey(Username),
  email: Schema.optionalKey(Email),
  displayName: Schema.optionalKey(Schema.NullOr(DisplayName)),
  avatarUrl: Schema.optionalKey(Schema.NullOr(AvatarUrl)),
  directMessagesFrom: Schema.optionalKey(settings.directMessagesFrom),
  isDiscoverable: Schema.optionalKey(settings.isDiscoverable),
  showsPresence: Schema.optionalKey(settings.showsPresence),
  /** Needed to change the e-mail address: who has it has the account. */
  currentPassword: Schema.optionalKey(GivenPassword)
})
  .check(
    Schema.makeFilter(({ currentPassword, email }) =>
      email !== undefined && currentPassword === undefined
        ? { path: ["currentPassword"], issue: "is needed to change the e-mail address" }
        : true
    )
  )
  .annotate({ identifier: "AccountChange" })
export type AccountChange = typeof AccountChange.Type

export const PasswordChange = Schema.Struct({ currentPassword: GivenPassword, newPassword: Password }).annotate({
  identifier: "PasswordChange"
})
export type PasswordChange = typeof PasswordChange.Type

export const AccountDeletionRequest = Schema.Struct({ currentPassword: GivenPassword }).annotate({
  identifier: "AccountDeletion"
})

/** The credentials are missing, wrong, expired or revoked. Never says which. */
export class Unauthorized extends Problem<Unauthorized>()("Unauthorized") {}

export class UsernameTaken extends Problem<UsernameTaken>()("UsernameTaken") {}

export class EmailTaken extends Problem<EmailTaken>()("EmailTaken") {}
