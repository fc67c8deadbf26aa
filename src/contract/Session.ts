import { Context, Schema } from "effect"
import { Model } from "effect/schema"
import { Uuid } from "./Text.ts"
import type { UserId } from "./Account.ts"
import { Account, Timestamp } from "./Account.ts"

export const SessionId = Uuid.pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type

/** A bearer token: 256 random bits as base64url. The database knows only its SHA-256. */
export const SessionToken = Schema.RedactedFromValue(Schema.String)
export type SessionToken = typeof SessionToken.Type

/** A new session and whose it is: the only time that the token is told. */
export class SignedIn extends Schema.Class<SignedIn>("SignedIn")({
  token: SessionToken,
  expiresAt: Schema.DateTimeUtcFromString,
  user: Account.json
}) {}

/** A session as its owner sees it, among their others. */
export class Session extends Model.Class<Session>("Session")({
  id: SessionId,
  deviceName: Schema.NullOr(Schema.String),
  /** Where it was last used from, as far as that is known. */
  address: Schema.NullOr(Schema.String),
  createdAt: Timestamp,
  /** To the minute. */
  lastUsedAt: Timestamp,
  expiresAt: Timestamp,
  /** Whether the list was asked for with this one. */
  isCurrent: Schema.Boolean
}) {}

/** The user that a request comes from, and the session that it was sent with. */
export interface Caller {
  /** The session's. */
  readonly id: SessionId
  readonly userId: UserId
}

/** The session that a request was sent with. */
export class CurrentSession extends Context.Service<CurrentSession, Caller>()("xfchat/contract/CurrentSession") {}
