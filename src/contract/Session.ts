import { Context, Schema } from "effect"
import { Model } from "effect/schema"
import { Time, Uuid } from "./Text.ts"
import type { UserId } from "./Account.ts"
import { Account, timestamp } from "./Account.ts"
import { described } from "./Description.ts"

export const SessionId = Uuid.pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type

/** A bearer token: 256 random bits in base64url. The database stores only its SHA-256. */
export const SessionToken = Schema.RedactedFromValue(Schema.String)
export type SessionToken = typeof SessionToken.Type

/** A new session and its user. No later answer contains the token again. */
export class SignedIn extends Schema.Class<SignedIn>("SignedIn")({
  token: SessionToken.pipe(described("The bearer token of the new session. It is not shown again.")),
  expiresAt: Time.pipe(described("The time when the session ends.")),
  user: Account.json.pipe(described("The account that is signed in."))
}) {}

/** A session as its user sees it in the list of sessions. */
export class Session extends Model.Class<Session>("Session")({
  id: SessionId.pipe(described("The session's id.")),
  deviceName: Schema.NullOr(Schema.String).pipe(described("The `deviceName` of the sign-up or login.")),
  address: Schema.NullOr(Schema.String).pipe(described("The IP address of the last use, if it is known.")),
  createdAt: timestamp("The time of the sign-up or login."),
  lastUsedAt: timestamp("The time of the last request, to the minute."),
  expiresAt: timestamp("The time when the session ends."),
  isCurrent: Schema.Boolean.pipe(described("Whether this is the session that the request was sent with."))
}) {}

/** The user who sent a request, and the session that it was sent with. */
export interface Caller {
  /** The id of the session. */
  readonly id: SessionId
  readonly userId: UserId
}

/** The session that a request was sent with. */
export class CurrentSession extends Context.Service<CurrentSession, Caller>()("xfchat/contract/CurrentSession") {}
