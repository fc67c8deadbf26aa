import { Schema } from "effect"
import { Model } from "effect/schema"
import { Problem } from "../Problem.ts"
import { Line, Text, Uuid } from "../Text.ts"

export const UserId = Uuid.pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/** 3 to 30 ASCII letters, digits and underscores, a letter first. Unique whatever the case. */
export const Username = Schema.String.check(
  Schema.isPattern(/^[A-Za-z][A-Za-z0-9_]{2,29}$/, {
    message: "must be 3 to 30 letters, digits or underscores, with a letter first"
  })
)

/** At most 254 characters (RFC 5321 section 4.5.3.1.3), one @ with something on both sides. Unique whatever the case. */
export const Email = Text.check(
  Schema.isMaxLength(254),
  Schema.isPattern(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}.]+(\.[^\s@\p{Cc}.]+)*$/u, { message: "must be an e-mail address" })
)

const encoder = new TextEncoder()

/** At least 8 characters; at most 1,024 bytes, so that hashing has a bounded cost. */
export const Password = Schema.RedactedFromValue(
  Text.check(
    Schema.isMinLength(8),
    Schema.makeFilter((text: string) => encoder.encode(text).length <= 1024 || "must be at most 1,024 bytes")
  ),
  { label: "password" }
)

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

/** A person's own account, as only they see it. An account from before addresses were unique may have no e-mail. */
export class Account extends Model.Class<Account>("Account")({
  id: UserId,
  username: Schema.String,
  email: Schema.NullOr(Schema.String),
  displayName: Schema.NullOr(Schema.String),
  avatarUrl: Schema.NullOr(Schema.String),
  createdAt: Timestamp
}) {}

export const Signup = Schema.Struct({
  username: Username,
  email: Email,
  password: Password,
  displayName: Schema.optionalKey(Line(64)),
  deviceName: Schema.optionalKey(Line(64))
}).annotate({ identifier: "Signup" })
export type Signup = typeof Signup.Type

export const Login = Schema.Struct({
  /** A username or an e-mail address. */
  login: Text.check(Schema.isMaxLength(254)),
  password: Schema.RedactedFromValue(Text.check(Schema.isMaxLength(1024)), { label: "password" }),
  deviceName: Schema.optionalKey(Line(64))
}).annotate({ identifier: "Login" })
export type Login = typeof Login.Type

/** The credentials are missing, wrong, expired or revoked. Never says which. */
export class Unauthorized extends Problem<Unauthorized>()("Unauthorized") {}

export class UsernameTaken extends Problem<UsernameTaken>()("UsernameTaken") {}

export class EmailTaken extends Problem<EmailTaken>()("EmailTaken") {}
