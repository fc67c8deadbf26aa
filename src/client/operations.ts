// Generated from the server's OpenAPI document. After a change of the contract:
//   npx vitest run test/client/operations.test.ts -u

export interface Account {
  /** The user's id. */
  readonly id: string
  /** Unique regardless of case; it may change. */
  readonly username: string
  /** Unique regardless of case. Nobody else sees it. */
  readonly email: string | null
  /** The name to show, if the user has chosen one. */
  readonly displayName: string | null
  /** An https URL of a picture. */
  readonly avatarUrl: string | null
  /** The people who may open a direct conversation with the user. */
  readonly directMessagesFrom: "everyone" | "friends" | "nobody"
  /** Whether part of the username finds the user. The whole username or e-mail address always does. */
  readonly isDiscoverable: boolean
  /** Whether others see that the user is online. A user who hides this sees nobody else's presence. */
  readonly showsPresence: boolean
  /** The time of the sign-up. */
  readonly createdAt: string
}

export interface AccountChange {
  /** 3 to 30 letters, digits or underscores, starting with a letter. */
  readonly username?: string
  /** An e-mail address that no other account has. */
  readonly email?: string
  /** The name to show; `null` removes it. */
  readonly displayName?: string | null
  /** An https URL of a picture; `null` removes it. */
  readonly avatarUrl?: string | null
  /** The people who may open a direct conversation with the user. */
  readonly directMessagesFrom?: "everyone" | "friends" | "nobody"
  /** Whether part of the username finds the user. The whole username or e-mail address always does. */
  readonly isDiscoverable?: boolean
  /** Whether others see that the user is online. A user who hides this sees nobody else's presence. */
  readonly showsPresence?: boolean
  /** Required to change the e-mail address. */
  readonly currentPassword?: string
}

export interface AccountDeletion {
  /** The password that the account has now. */
  readonly currentPassword: string
}

export interface Block {
  /** The user's id. */
  readonly id: string
  /** Unique regardless of case; it may change. */
  readonly username: string
  /** The name to show, if the user has chosen one. */
  readonly displayName: string | null
  /** An https URL of a picture. */
  readonly avatarUrl: string | null
  /** The time of the block. */
  readonly since: string
}

export interface Conversation {
  /** The conversation's id. */
  readonly id: string
  /** `true` for the conversation of two people, `false` for a group. */
  readonly isDirectMessage: boolean
  /** The name of a group, if it has one. */
  readonly name: string | null
  /** The description of a group, if it has one. */
  readonly description: string | null
  /** How much history new participants see. */
  readonly history: "whole" | "since_joining"
  /** The people in the conversation, the longest there first: everyone, unless long names and pictures take more than 512 KiB. */
  readonly participants: ReadonlyArray<Participant>
  /** The `cursor` with which `GET /api/conversations/{id}/participants` continues; `null` if `participants` has everyone. */
  readonly participantsCursor: string | null
  /** The position of the last change in the conversation's log. */
  readonly head: number
  /** The time when the conversation was created. */
  readonly createdAt: string
}

export interface ConversationSummary {
  /** The conversation's id. */
  readonly id: string
  /** `true` for the conversation of two people, `false` for a group. */
  readonly isDirectMessage: boolean
  /** The name of a group, if it has one. */
  readonly name: string | null
  /** The position of the last change in the conversation's log. */
  readonly head: number
  /** The caller's role. */
  readonly role: "owner" | "admin" | "member"
  /** The position up to which the caller has read. */
  readonly lastReadSeq: number
  /** The number of other people's messages past `lastReadSeq`, without deleted and system messages; counted up to 1000. */
  readonly unreadCount: number
  /** The number of unread messages that mention the caller. */
  readonly mentionCount: number
  /** The other person in a direct conversation; `null` if their account is deleted. */
  readonly other: Profile | null
  /** The first 5 other participants, the longest there first, without people whom the caller blocks. */
  readonly participants: ReadonlyArray<Profile>
  /** The number of participants, including the caller. */
  readonly participantCount: number
  /** The newest message that the caller may see. */
  readonly lastMessage: {
    /** The message's id. */
    readonly id: string
    /** The position at which it was posted. */
    readonly seq: number
    /** The author; of a system message, the person who did what it reports. */
    readonly senderId: string | null
    /** The profile of `senderId`; `null` if there is none, the account is deleted, or the caller blocks them. */
    readonly sender: Profile | null
    /** Of a system message, the person it is about, if there is one. */
    readonly subject: Profile | null
    /** `text`, `image`, `file` or `system`. */
    readonly messageType: string
    /** The content of a system message. */
    readonly event: Readonly<Record<string, string | null>> | null
    /** The beginning of a text, or an English sentence for a system message; `null` for other types and deleted messages. */
    readonly preview: string | null
    /** The time when it was sent. */
    readonly createdAt: string
    /** Whether all other participants have received it; always `false` with more than 50 participants. */
    readonly isDelivered: boolean
    /** Whether all other participants have read it; always `false` with more than 50 participants. */
    readonly isRead: boolean
  } | null
  /** The time of the newest message, by which lists are ordered. */
  readonly lastActivityAt: string
}

export interface DatabaseUnavailable {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "DatabaseUnavailable"
  /** The HTTP status code. */
  readonly status?: 503
  /** The kind of error in English. */
  readonly title?: "The database cannot be reached"
}

export interface Draft {
  /** A string for a text, an object for a file or an image: see `messageType`. */
  readonly content: string | FileContent | ImageContent
  /** The type of `content`; `text` unless given. */
  readonly messageType?: "text" | "image" | "file"
  /** The id of an earlier message in the same conversation. */
  readonly replyTo?: string
}

export interface EmailTaken {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "EmailTaken"
  /** The HTTP status code. */
  readonly status?: 409
  /** The kind of error in English. */
  readonly title?: "This e-mail address is taken"
}

export interface FileContent {
  /** An http or https URL of the file. */
  readonly url: string
  /** The name to show and to save the file under. */
  readonly filename: string
  /** The size in bytes. */
  readonly size: number
  /** The media type, such as `application/pdf`. */
  readonly mimeType: string
}

export interface Forbidden {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "Forbidden"
  /** The HTTP status code. */
  readonly status?: 403
  /** The kind of error in English. */
  readonly title?: "Not allowed"
}

export interface FoundMessage {
  /** The id that the sender chose. */
  readonly id: string
  /** The id of the conversation. */
  readonly conversationId: string
  /** The position at which it was posted, which never changes. */
  readonly seq: number
  /** The position of its last change; equal to `seq` for an unchanged message. */
  readonly version: number
  /** The author, even if their account has been deleted; `null` for system and hidden messages. */
  readonly senderId: string | null
  /** `hidden` for a message from a person whom the caller blocks. */
  readonly messageType: "text" | "image" | "file" | "system" | "hidden"
  /** A string for a text, an object for other types; `null` for a deleted or hidden message. Old messages of any type may have a string. */
  readonly content: string | FileContent | ImageContent | SystemContent | null
  /** The id of the message that it replies to. */
  readonly replyTo: string | null
  /** The participants whom the text names as `@username`. */
  readonly mentions: ReadonlyArray<string>
  /** The reactions, in the order in which each was first given. */
  readonly reactions: ReadonlyArray<{
    /** One emoji, or a short code such as `:tada:`. */
    readonly emoji: string
    /** The number of people who reacted with it. */
    readonly count: number
    /** The ids of the first 10 people who reacted with it. */
    readonly userIds: ReadonlyArray<string>
  }>
  /** The time when it was sent. */
  readonly createdAt: string
  /** The time of the last edit, if any. */
  readonly editedAt: string | null
  /** The time when it was deleted, if it was. */
  readonly deletedAt: string | null
  /** Whether all other participants have received it. */
  readonly isDelivered: boolean
  /** Whether all other participants have read it. */
  readonly isRead: boolean
  /** The ranges of `content` that match, in UTF-16 units: at most 100. */
  readonly marks: ReadonlyArray<{
    /** The position of the range's first UTF-16 unit. */
    readonly start: number
    /** The position of the first UTF-16 unit after the range. */
    readonly end: number
  }>
}

export interface Friend {
  /** The user's id. */
  readonly id: string
  /** Unique regardless of case; it may change. */
  readonly username: string
  /** The name to show, if the user has chosen one. */
  readonly displayName: string | null
  /** An https URL of a picture. */
  readonly avatarUrl: string | null
  /** The time when the two became friends. */
  readonly since: string
}

export interface FriendRequest {
  /** The request's id. */
  readonly id: string
  /** `incoming` if the caller received the request, `outgoing` if they sent it. */
  readonly direction: "incoming" | "outgoing"
  /** For its sender, a declined request stays `pending`. */
  readonly status: "pending" | "accepted" | "rejected"
  /** The other person. */
  readonly user: Profile
  /** The words that the sender added, if any. */
  readonly message: string | null
  /** The time when the request was sent. */
  readonly createdAt: string
}

export interface GroupChange {
  /** The name of the group: up to 255 characters; `null` removes it. */
  readonly name?: string | null
  /** The description of the group: up to 4,096 characters; `null` removes it. */
  readonly description?: string | null
  /** How much history new participants see. */
  readonly history?: "whole" | "since_joining"
}

export interface HeadersTooLarge {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "HeadersTooLarge"
  /** The HTTP status code. */
  readonly status?: 431
  /** The kind of error in English. */
  readonly title?: "The header fields are too large"
}

export interface ImageContent {
  /** An http or https URL of the image. */
  readonly url: string
  /** An http or https URL of a smaller image. */
  readonly thumbnailUrl?: string
  /** The width in pixels. */
  readonly width?: number
  /** The height in pixels. */
  readonly height?: number
  /** A caption: up to 1,024 characters. */
  readonly caption?: string
}

export type InboxEvent = {
  /** The kind of update. */
  readonly event: "snapshot"
  /** The version that a client has reached with this update. */
  readonly id: string
  /** The update, as JSON. */
  readonly data: string
} | {
  /** The kind of update. */
  readonly event: "change"
  /** The version that a client has reached with this update. */
  readonly id: string
  /** The update, as JSON. */
  readonly data: string
}

export type InboxLine = {
  /** The version that a client has reached with this update. */
  readonly version: string
  /** The whole resource, in place of what the client had. */
  readonly snapshot: InboxPage
} | {
  /** The version that a client has reached with this update. */
  readonly version: string
  /** The part that changed. It replaces the parts with the same ids or names. */
  readonly change: InboxPage
} | Readonly<Record<string, unknown>>

export interface InboxPage {
  /** The ids of the user's conversations, the last active first, at most 1000. */
  readonly conversationIds: ReadonlyArray<string>
  /** The conversations by id, the last active ones as far as an answer reaches; in an update, those that changed. */
  readonly conversations: Readonly<Record<string, ConversationSummary>>
  /** The `cursor` with which `GET /api/conversations` continues after `conversations`; `null` if they are all. An update does not have it. */
  readonly conversationsCursor?: string | null
  /** The latest friends, at most 1000. */
  readonly friends?: ReadonlyArray<Friend>
  /** The `cursor` with which `GET /api/friends` continues; `null` at the end. */
  readonly friendsCursor?: string | null
  /** The open requests: the latest in each direction, at most 100. */
  readonly requests?: ReadonlyArray<FriendRequest>
  /** The `cursor` with which `GET /api/friends/requests?direction=incoming` continues; `null` at the end. */
  readonly requestsCursor?: string | null
  /** The people whom the user blocked last, at most 1000. */
  readonly blocks?: ReadonlyArray<Block>
  /** The `cursor` with which `GET /api/friends/blocks` continues; `null` at the end. */
  readonly blocksCursor?: string | null
}

/** The answer to a long poll. */
export interface InboxPoll {
  /** The updates, in their order. */
  readonly updates: ReadonlyArray<{
    /** The version that a client has reached with this update. */
    readonly version: string
    /** The whole resource, in place of what the client had. */
    readonly snapshot: InboxPage
  } | {
    /** The version that a client has reached with this update. */
    readonly version: string
    /** The part that changed. It replaces the parts with the same ids or names. */
    readonly change: InboxPage
  }>
  /** The version to come back with, as `after`. */
  readonly version: string
}

export interface InternalError {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The id under which the server's log has the details. */
  readonly requestId: string
  /** The kind of error: stable, for programs. */
  readonly type: "InternalError"
  /** The HTTP status code. */
  readonly status?: 500
  /** The kind of error in English. */
  readonly title?: "Something went wrong on the server"
}

export interface Login {
  /** A username or an e-mail address. */
  readonly login: string
  /** The account's password. */
  readonly password: string
  /** A name for the session in the list of sessions. */
  readonly deviceName?: string
}

export interface MalformedRequest {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "MalformedRequest"
  /** The HTTP status code. */
  readonly status?: 400
  /** The kind of error in English. */
  readonly title?: "The request cannot be read"
}

export interface Message {
  /** The id that the sender chose. */
  readonly id: string
  /** The id of the conversation. */
  readonly conversationId: string
  /** The position at which it was posted, which never changes. */
  readonly seq: number
  /** The position of its last change; equal to `seq` for an unchanged message. */
  readonly version: number
  /** The author, even if their account has been deleted; `null` for system and hidden messages. */
  readonly senderId: string | null
  /** `hidden` for a message from a person whom the caller blocks. */
  readonly messageType: "text" | "image" | "file" | "system" | "hidden"
  /** A string for a text, an object for other types; `null` for a deleted or hidden message. Old messages of any type may have a string. */
  readonly content: string | FileContent | ImageContent | SystemContent | null
  /** The id of the message that it replies to. */
  readonly replyTo: string | null
  /** The participants whom the text names as `@username`. */
  readonly mentions: ReadonlyArray<string>
  /** The reactions, in the order in which each was first given. */
  readonly reactions: ReadonlyArray<{
    /** One emoji, or a short code such as `:tada:`. */
    readonly emoji: string
    /** The number of people who reacted with it. */
    readonly count: number
    /** The ids of the first 10 people who reacted with it. */
    readonly userIds: ReadonlyArray<string>
  }>
  /** The time when it was sent. */
  readonly createdAt: string
  /** The time of the last edit, if any. */
  readonly editedAt: string | null
  /** The time when it was deleted, if it was. */
  readonly deletedAt: string | null
  /** Whether all other participants have received it. */
  readonly isDelivered: boolean
  /** Whether all other participants have read it. */
  readonly isRead: boolean
}

export type MessageEvent = {
  /** The kind of update. */
  readonly event: "snapshot"
  /** The version that a client has reached with this update. */
  readonly id: string
  /** The update, as JSON. */
  readonly data: string
} | {
  /** The kind of update. */
  readonly event: "message"
  /** The version that a client has reached with this update. */
  readonly id: string
  /** The update, as JSON. */
  readonly data: string
} | {
  /** The kind of update. */
  readonly event: "receipts"
  /** The version that a client has reached with this update. */
  readonly id: string
  /** The update, as JSON. */
  readonly data: string
}

export interface MessageIdReused {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "MessageIdReused"
  /** The HTTP status code. */
  readonly status?: 422
  /** The kind of error in English. */
  readonly title?: "This message id is taken by another message"
}

export type MessageLine = {
  /** The version that a client has reached with this update. */
  readonly version: string
  /** The whole resource, in place of what the client had. */
  readonly snapshot: MessagePage
} | {
  /** The version that a client has reached with this update. */
  readonly version: string
  /** The part that changed. It replaces the parts with the same ids or names. */
  readonly message: Message
} | {
  /** A part that changed without a new version. */
  readonly receipts: ReadonlyArray<Receipt>
} | Readonly<Record<string, unknown>>

export interface MessagePage {
  /** The messages, in ascending order of `seq`. */
  readonly messages: ReadonlyArray<Message>
  /** How far participants have received and read the conversation, from which the flags of the messages follow. */
  readonly receipts: ReadonlyArray<Receipt>
  /** The `before` of the page of older messages; `null` if there are none. */
  readonly before: string | null
  /** The `after` of the page of newer messages; `null` if there are none. */
  readonly after: string | null
}

/** The answer to a long poll. */
export interface MessagePoll {
  /** The updates, in their order. */
  readonly updates: ReadonlyArray<{
    /** The version that a client has reached with this update. */
    readonly version: string
    /** The whole resource, in place of what the client had. */
    readonly snapshot: MessagePage
  } | {
    /** The version that a client has reached with this update. */
    readonly version: string
    /** The part that changed. It replaces the parts with the same ids or names. */
    readonly message: Message
  }>
  /** The version to come back with, as `after`. */
  readonly version: string
  /** As it is with that version. */
  readonly receipts: ReadonlyArray<Receipt>
}

export interface MessageVersion {
  /** The last version of the message with this content. */
  readonly version: number
  /** The text, as it was before an edit. */
  readonly content: string
  /** The time when this content was written. */
  readonly writtenAt: string
}

export interface NewGroup {
  /** The name of the group: up to 255 characters. */
  readonly name?: string
  /** The description of the group: up to 4,096 characters. */
  readonly description?: string
  /** How much history new participants see: all of it, unless `since_joining` is given. */
  readonly history?: "whole" | "since_joining"
  /** The ids of the other participants. */
  readonly participantIds: ReadonlyArray<string>
}

export interface NewMessage {
  /** A UUID that the sender chooses: a new one for each message. */
  readonly id: string
  /** A string for a text, an object for a file or an image: see `messageType`. */
  readonly content: string | FileContent | ImageContent
  /** The type of `content`; `text` unless given. */
  readonly messageType?: "text" | "image" | "file"
  /** The id of an earlier message in the same conversation. */
  readonly replyTo?: string
}

export interface NewRequest {
  /** A username, an e-mail address or a user's id. */
  readonly to: string
  /** Words to the recipient: up to 500 characters. */
  readonly message?: string
}

export interface NotFound {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "NotFound"
  /** The HTTP status code. */
  readonly status?: 404
  /** The kind of error in English. */
  readonly title?: "Not found"
}

export interface NotReady {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** Each check is `ok`, or says what is wrong. */
  readonly checks: {
    /** Whether the database answers. */
    readonly database: string
    /** Whether the migrations that this server knows are applied unchanged. Later ones are ignored. */
    readonly migrations: string
    /** Whether this server and the others notify each other at once. */
    readonly changes: string
    /** Whether this server keeps running: not `ok` once it is about to stop. */
    readonly serving: string
  }
  /** The kind of error: stable, for programs. */
  readonly type: "NotReady"
  /** The HTTP status code. */
  readonly status?: 503
  /** The kind of error in English. */
  readonly title?: "This server is not ready to serve"
}

export interface Participant {
  /** The user's id. */
  readonly id: string
  /** Unique regardless of case; it may change. */
  readonly username: string
  /** The name to show, if the user has chosen one. */
  readonly displayName: string | null
  /** An https URL of a picture. */
  readonly avatarUrl: string | null
  /** A group has one owner; both people in a direct conversation are members. */
  readonly role: "owner" | "admin" | "member"
  /** The time when this person last joined. */
  readonly joinedAt: string
}

export interface ParticipantLimitReached {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "ParticipantLimitReached"
  /** The HTTP status code. */
  readonly status?: 422
  /** The kind of error in English. */
  readonly title?: "The conversation has reached its limit of participants"
}

export interface PasswordChange {
  /** The password that the account has now. */
  readonly currentPassword: string
  /** At least 8 characters, at most 1,024 bytes. */
  readonly newPassword: string
}

export interface PayloadTooLarge {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "PayloadTooLarge"
  /** The HTTP status code. */
  readonly status?: 413
  /** The kind of error in English. */
  readonly title?: "The request body is too large"
}

export type PresenceEvent = {
  /** The kind of update. */
  readonly event: "snapshot"
  /** The version that a client has reached with this update. */
  readonly id: string
  /** The update, as JSON. */
  readonly data: string
} | {
  /** The kind of update. */
  readonly event: "change"
  /** The version that a client has reached with this update. */
  readonly id: string
  /** The update, as JSON. */
  readonly data: string
}

export type PresenceLine = {
  /** The version that a client has reached with this update. */
  readonly version: string
  /** The whole resource, in place of what the client had. */
  readonly snapshot: PresencePage
} | {
  /** The version that a client has reached with this update. */
  readonly version: string
  /** The part that changed. It replaces the parts with the same ids or names. */
  readonly change: PresencePage
} | Readonly<Record<string, unknown>>

export interface PresencePage {
  /** People by their id, at most 5000 in one answer. Anyone not listed is offline. */
  readonly people: Readonly<Record<string, {
    /** In an update, `offline` for a person who was online before. */
    readonly status: "online" | "offline"
  }>>
  /** The first 10 people who are typing, in the order of their ids, by the id of the conversation. */
  readonly typing: Readonly<Record<string, ReadonlyArray<string>>>
  /** The `cursor` with which `GET /api/presence` continues; `null` if the answer has everyone. An update does not have it: a stream goes on with the others at once. */
  readonly cursor?: string | null
}

/** The answer to a long poll. */
export interface PresencePoll {
  /** The updates, in their order. */
  readonly updates: ReadonlyArray<{
    /** The version that a client has reached with this update. */
    readonly version: string
    /** The whole resource, in place of what the client had. */
    readonly snapshot: PresencePage
  } | {
    /** The version that a client has reached with this update. */
    readonly version: string
    /** The part that changed. It replaces the parts with the same ids or names. */
    readonly change: PresencePage
  }>
  /** The version to come back with, as `after`. */
  readonly version: string
}

export interface Profile {
  /** The user's id. */
  readonly id: string
  /** Unique regardless of case; it may change. */
  readonly username: string
  /** The name to show, if the user has chosen one. */
  readonly displayName: string | null
  /** An https URL of a picture. */
  readonly avatarUrl: string | null
}

export interface QuotaExceeded {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The quota of the whole month. */
  readonly limit: number
  /** The time when the next month begins. */
  readonly resetsAt: string
  /** The seconds until then, as in the `Retry-After` header. */
  readonly retryAfter: number
  /** The kind of error: stable, for programs. */
  readonly type: "QuotaExceeded"
  /** The HTTP status code. */
  readonly status?: 429
  /** The kind of error in English. */
  readonly title?: "The quota for this month is used up"
}

export interface RateLimited {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The seconds to wait before trying again, as in the `Retry-After` header. */
  readonly retryAfter?: number
  /** The kind of error: stable, for programs. */
  readonly type: "RateLimited"
  /** The HTTP status code. */
  readonly status?: 429
  /** The kind of error in English. */
  readonly title?: "Too many requests"
}

export interface ReactionLimitReached {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "ReactionLimitReached"
  /** The HTTP status code. */
  readonly status?: 422
  /** The kind of error in English. */
  readonly title?: "The message has reached its limit of reactions"
}

export interface Reactor {
  /** The user's id. */
  readonly id: string
  /** Unique regardless of case; it may change. */
  readonly username: string
  /** The name to show, if the user has chosen one. */
  readonly displayName: string | null
  /** An https URL of a picture. */
  readonly avatarUrl: string | null
  /** The time of the reaction. */
  readonly reactedAt: string
}

export interface Readiness {
  /** Always `ready`; a server that is not ready answers with 503. */
  readonly status: "ready"
  /** Each check is `ok`, or says what is wrong. */
  readonly checks: {
    /** Whether the database answers. */
    readonly database: string
    /** Whether the migrations that this server knows are applied unchanged. Later ones are ignored. */
    readonly migrations: string
    /** Whether this server and the others notify each other at once. */
    readonly changes: string
    /** Whether this server keeps running: not `ok` once it is about to stop. */
    readonly serving: string
  }
}

export interface Receipt {
  /** The participant. */
  readonly userId: string
  /** All messages up to this `seq` are delivered to them. */
  readonly deliveredSeq: number
  /** All messages up to this `seq` are read by them. */
  readonly readSeq: number
}

export interface RequestLimitReached {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "RequestLimitReached"
  /** The HTTP status code. */
  readonly status?: 422
  /** The kind of error in English. */
  readonly title?: "You have reached the limit of open requests"
}

export interface RequestTimeout {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "RequestTimeout"
  /** The HTTP status code. */
  readonly status?: 408
  /** The kind of error in English. */
  readonly title?: "The request did not arrive in time"
}

export type SendOutcome = {
  /** 201 for a new message, and 200 for one that was sent before. */
  readonly status: 201 | 200
  /** The version of the message, which an edit can name in `Parents`. */
  readonly version: string
  /** The message as it is stored. */
  readonly message: Message
} | {
  /** The status of the problem. */
  readonly status: number
  /** The reason why the message was not sent. */
  readonly problem: MalformedRequest | ValidationFailed | NotFound | Forbidden | MessageIdReused | RateLimited | QuotaExceeded | DatabaseUnavailable | ServerBusy
}

export interface ServerBusy {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "ServerBusy"
  /** The HTTP status code. */
  readonly status?: 503
  /** The kind of error in English. */
  readonly title?: "The server is busy"
}

export interface Session {
  /** The session's id. */
  readonly id: string
  /** The `deviceName` of the sign-up or login. */
  readonly deviceName: string | null
  /** The IP address of the last use, if it is known. */
  readonly address: string | null
  /** The time of the sign-up or login. */
  readonly createdAt: string
  /** The time of the last request, to the minute. */
  readonly lastUsedAt: string
  /** The time when the session ends. */
  readonly expiresAt: string
  /** Whether this is the session that the request was sent with. */
  readonly isCurrent: boolean
}

export interface SignedIn {
  /** The bearer token of the new session. It is not shown again. */
  readonly token: string
  /** The time when the session ends. */
  readonly expiresAt: string
  /** The account that is signed in. */
  readonly user: Account
}

export interface Signup {
  /** 3 to 30 letters, digits or underscores, starting with a letter. */
  readonly username: string
  /** An e-mail address that no other account has. */
  readonly email: string
  /** At least 8 characters, at most 1,024 bytes. */
  readonly password: string
  /** The name to show: up to 64 characters, in any script. */
  readonly displayName?: string
  /** An https URL of a picture. */
  readonly avatarUrl?: string
  /** A name for the session in the list of sessions. */
  readonly deviceName?: string
}

export interface StaleVersion {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "StaleVersion"
  /** The HTTP status code. */
  readonly status?: 422
  /** The kind of error in English. */
  readonly title?: "The message has changed since this version"
}

export type SystemContent = {
  /** The kind of event. */
  readonly event: "created"
  /** The id of the person who did it. */
  readonly by: string
} | {
  /** The kind of event. */
  readonly event: "renamed"
  /** The id of the person who did it. */
  readonly by: string
  /** The new name; `null` if it was removed. */
  readonly name: string | null
} | {
  /** The kind of event. */
  readonly event: "described"
  /** The id of the person who did it. */
  readonly by: string
  /** The new description; `null` if it was removed. */
  readonly description: string | null
} | {
  /** The kind of event. */
  readonly event: "historyChanged"
  /** The id of the person who did it. */
  readonly by: string
  /** How much history new participants see from now on. */
  readonly history: "whole" | "since_joining"
} | {
  /** The kind of event. */
  readonly event: "joined"
  /** The id of the person who did it. */
  readonly by: string
  /** The id of the person it was done to. */
  readonly user: string
} | {
  /** The kind of event. */
  readonly event: "left"
  /** The id of the person who left. */
  readonly user: string
} | {
  /** The kind of event. */
  readonly event: "removed"
  /** The id of the person who did it. */
  readonly by: string
  /** The id of the person it was done to. */
  readonly user: string
} | {
  /** The kind of event. */
  readonly event: "roleChanged"
  /** The id of the person who did it. */
  readonly by: string
  /** The id of the person it was done to. */
  readonly user: string
  /** The new role. */
  readonly role: "owner" | "admin" | "member"
}

export interface Unauthorized {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "Unauthorized"
  /** The HTTP status code. */
  readonly status?: 401
  /** The kind of error in English. */
  readonly title?: "Sign in first"
}

export interface UnsupportedMediaType {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "UnsupportedMediaType"
  /** The HTTP status code. */
  readonly status?: 415
  /** The kind of error in English. */
  readonly title?: "The media type of the request body is not supported here"
}

export interface UriTooLong {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "UriTooLong"
  /** The HTTP status code. */
  readonly status?: 414
  /** The kind of error in English. */
  readonly title?: "The URL is too long"
}

export interface UsageReport {
  /** The calendar month, in UTC. */
  readonly period: {
    /** The first moment of the month. */
    readonly start: string
    /** The first moment of the next month. */
    readonly end: string
  }
  /** The usage so far in this month. */
  readonly counts: {
    /** Messages sent. */
    readonly messagesSent: number
    /** Conversations created. */
    readonly conversationsCreated: number
    /** Friend requests sent. */
    readonly friendRequests: number
    /** Bytes of content sent, edits included, in UTF-8. */
    readonly contentBytes: number
    /** Requests made. */
    readonly requests: number
    /** Streams opened, long polls included. */
    readonly streamsOpened: number
    /** Full minutes of all streams together. */
    readonly streamMinutes: number
  }
  /** The quotas of the whole month. */
  readonly limits: {
    /** The limit per month; `null` means none. */
    readonly messagesSent: number | null
    /** The limit per month; `null` means none. */
    readonly conversationsCreated: number | null
    /** The limit per month; `null` means none. */
    readonly friendRequests: number | null
    /** The limit per month; `null` means none. */
    readonly contentBytes: number | null
    /** The limit per month; `null` means none. */
    readonly requests: number | null
    /** The limit per month; `null` means none. */
    readonly streamsOpened: number | null
    /** The limit per month; `null` means none. */
    readonly streamMinutes: number | null
  }
  /** The limits of each class of routes. */
  readonly rateLimits: {
    /** The requests per minute; `null` means no limit. */
    readonly authentication: number | null
    /** The requests per minute; `null` means no limit. */
    readonly reading: number | null
    /** The requests per minute; `null` means no limit. */
    readonly writing: number | null
    /** The requests per minute; `null` means no limit. */
    readonly sending: number | null
    /** The requests per minute; `null` means no limit. */
    readonly streaming: number | null
    /** The requests per minute; `null` means no limit. */
    readonly searching: number | null
  }
}

export interface UsernameTaken {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "UsernameTaken"
  /** The HTTP status code. */
  readonly status?: 409
  /** The kind of error in English. */
  readonly title?: "This username is taken"
}

export interface ValidationFailed {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The first 20 errors. */
  readonly errors: ReadonlyArray<{
    /** `params`, `query`, `headers` or `payload`, then the names of the members that lead to the error. */
    readonly path: ReadonlyArray<string>
    /** The rule that the member breaks. */
    readonly message: string
  }>
  /** The number of errors left out of `errors`, if any. */
  readonly omittedErrors?: number
  /** The kind of error: stable, for programs. */
  readonly type: "ValidationFailed"
  /** The HTTP status code. */
  readonly status?: 422
  /** The kind of error in English. */
  readonly title?: "The request is well-formed but not valid"
}

export interface VersionNotFound {
  /** One sentence on what went wrong and what to do. */
  readonly detail?: string
  /** Identifies this occurrence of the error. */
  readonly instance?: string
  /** The kind of error: stable, for programs. */
  readonly type: "VersionNotFound"
  /** The HTTP status code. */
  readonly status?: 432
  /** The kind of error in English. */
  readonly title?: "This version is not known"
}

/** The problems that any request may be answered with. */
export type CommonProblem = DatabaseUnavailable | HeadersTooLarge | InternalError | MalformedRequest | PayloadTooLarge | RequestTimeout | ServerBusy | UnsupportedMediaType | UriTooLong | ValidationFailed

/** The input and the answer of a call, and the problems that it may be refused with. */
export interface Operation<Input, Answer, Problem> {
  readonly input: Input
  readonly answer: Answer
  readonly problem: Problem
}

export interface Operations {
  readonly auth: {
    /** Sign up. Creates an account and opens its first session. */
    readonly signup: Operation<{
      readonly body: Signup
    }, SignedIn, CommonProblem | EmailTaken | QuotaExceeded | RateLimited | UsernameTaken>
    /** Log in. Opens a session, by username or e-mail address. */
    readonly login: Operation<{
      readonly body: Login
    }, SignedIn, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Log out. Ends the session that the token belongs to. */
    readonly logout: Operation<{}, void, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Get your account. Returns the account of the caller. */
    readonly me: Operation<{}, Account, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Update your account. Changes the profile and the settings. A missing member leaves its value unchanged. A new e-mail address requires `currentPassword`. */
    readonly update: Operation<{
      readonly body: AccountChange
    }, Account, CommonProblem | EmailTaken | Forbidden | QuotaExceeded | RateLimited | Unauthorized | UsernameTaken>
    /** Delete your account. Deletes the account, which leaves every group. Its messages stay in the conversations, under a neutral name. */
    readonly deleteAccount: Operation<{
      readonly body: AccountDeletion
    }, void, CommonProblem | Forbidden | QuotaExceeded | RateLimited | Unauthorized>
    /** Change your password. Changes the password and ends all other sessions. */
    readonly changePassword: Operation<{
      readonly body: PasswordChange
    }, void, CommonProblem | Forbidden | QuotaExceeded | RateLimited | Unauthorized>
    /** List your sessions. Lists the sessions of the account. */
    readonly sessions: Operation<{}, {
      /** The sessions, the most recently used first: at most 100. */
      readonly sessions: ReadonlyArray<Session>
    }, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** End other sessions. Ends all sessions except this one. */
    readonly endOtherSessions: Operation<{}, void, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** End a session. Ends one session of the account: its token stops working and its streams end. */
    readonly endSession: Operation<{
      /** The id of the session to end. */
      readonly id: string
    }, void, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly people: {
    /** Find people. With `query`, finds people by their whole username or e-mail address, and discoverable people by the beginning of their username: at most 10. With `ids`, returns the profiles of these users and leaves out those that do not exist. */
    readonly search: Operation<{
      /** A username or an e-mail address, or the first three or more characters of a username. */
      readonly query?: string | undefined
      /** Up to 100 ids of users, separated by commas. */
      readonly ids?: string | undefined
    }, {
      /** The profiles that were found. */
      readonly users: ReadonlyArray<Profile>
    }, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Get a profile. Returns the part of a user's account that everybody may see. */
    readonly get: Operation<{
      /** The user's id. */
      readonly id: string
    }, Profile, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly friends: {
    /** List your friends. Lists the caller's friends, the latest first. */
    readonly list: Operation<{
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** The `cursor` of the page before; without it, the first page. */
      readonly cursor?: string | undefined
    }, {
      /** The friends, the latest first. */
      readonly friends: ReadonlyArray<Friend>
      /** The `cursor` that the next page is requested with; `null` on the last page. */
      readonly cursor: string | null
    }, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Remove a friend. Ends a friendship. The direct conversation of the two stays. */
    readonly remove: Operation<{
      /** The id of the other person. */
      readonly userId: string
    }, void, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** List friend requests. Lists the open requests that the caller received or sent, the latest first. */
    readonly requests: Operation<{
      /** `incoming` lists received requests, `outgoing` lists sent ones. */
      readonly direction: "incoming" | "outgoing"
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** The `cursor` of the page before; without it, the first page. */
      readonly cursor?: string | undefined
    }, {
      /** The requests, the latest first. */
      readonly requests: ReadonlyArray<FriendRequest>
      /** The `cursor` that the next page is requested with; `null` on the last page. */
      readonly cursor: string | null
    }, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Send a friend request. Asks a person to be friends: 201, or 200 if the caller has asked before or the two are friends. If that person has asked the caller, the two become friends: 200, `accepted`. A request stays `pending` for its sender until it is accepted or withdrawn. */
    readonly ask: Operation<{
      readonly body: NewRequest
    }, FriendRequest, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | RequestLimitReached | Unauthorized>
    /** Answer a friend request. Accepts or declines a request. Accepting opens the direct conversation of the two. The sender does not learn of a refusal: the request stays pending for them, and for seven days another one does not reach the caller. */
    readonly answer: Operation<{
      /** The request's id. */
      readonly id: string
      readonly body: {
        /** `accepted` makes the two friends, `rejected` declines the request. */
        readonly status: "accepted" | "rejected"
      }
    }, FriendRequest, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Withdraw a friend request. Withdraws a request that the caller sent. */
    readonly withdraw: Operation<{
      /** The request's id. */
      readonly id: string
    }, void, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** List blocked people. Lists the people whom the caller blocks, the latest first. */
    readonly blocks: Operation<{
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** The `cursor` of the page before; without it, the first page. */
      readonly cursor?: string | undefined
    }, {
      /** The blocked people, the latest block first. */
      readonly blocks: ReadonlyArray<Block>
      /** The `cursor` that the next page is requested with; `null` on the last page. */
      readonly cursor: string | null
    }, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Block a person. Blocks a person, who does not learn of it. Ends the friendship and the requests between the two. */
    readonly block: Operation<{
      /** The id of the other person. */
      readonly userId: string
    }, void, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Unblock a person. Ends a block. The friendship that it ended is not restored, and a request that the other person sent meanwhile does not appear unless they ask again. */
    readonly unblock: Operation<{
      /** The id of the other person. */
      readonly userId: string
    }, void, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly conversations: {
    /** Open a direct conversation. Returns the one direct conversation with another person: 201 if this request created it, which their `directMessagesFrom` must allow, and 200 if it existed. */
    readonly direct: Operation<{
      /** The id of the other person. */
      readonly userId: string
    }, Conversation, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Create a group. Creates a group that the caller owns. Its participants must be friends of the caller, or let everyone message them. */
    readonly create: Operation<{
      readonly body: NewGroup
    }, Conversation, CommonProblem | Forbidden | QuotaExceeded | RateLimited | Unauthorized>
    /** List your conversations. Lists the caller's conversations, the one with the newest message first. Edits, reactions, deletions and receipts do not change the order. */
    readonly list: Operation<{
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** The `cursor` of the page before; without it, the first page. */
      readonly cursor?: string | undefined
    }, {
      /** The conversations, the one with the newest message first. */
      readonly conversations: ReadonlyArray<ConversationSummary>
      /** The `cursor` that the next page is requested with; `null` on the last page. */
      readonly cursor: string | null
    }, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
    /** Get a conversation. Returns one of the caller's conversations, with its participants. */
    readonly get: Operation<{
      /** The conversation's id. */
      readonly id: string
    }, Conversation, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Update a group. Changes the name, the description or the history setting of a group. Only its owner and admins may do so. */
    readonly update: Operation<{
      /** The conversation's id. */
      readonly id: string
      readonly body: GroupChange
    }, Conversation, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Delete a group. Deletes a group with all its messages. Only its owner may do so. */
    readonly remove: Operation<{
      /** The conversation's id. */
      readonly id: string
    }, void, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** List participants. Lists the people in a conversation, the longest there first. */
    readonly participants: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The most people in the answer; 200 unless given. */
      readonly limit?: number | undefined
      /** The `cursor` of the page before; without it, the first page. */
      readonly cursor?: string | undefined
    }, {
      /** The participants, the longest there first. */
      readonly participants: ReadonlyArray<Participant>
      /** The `cursor` that the next page is requested with; `null` on the last page. */
      readonly cursor: string | null
    }, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Add or change a participant. Adds a person to a group, or changes a participant's role. The role `owner` hands the group over, which a disabled account cannot receive. */
    readonly putParticipant: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The id of the person. */
      readonly userId: string
      readonly body: {
        /** The new role; a person who is added is a `member` unless given. */
        readonly role?: "owner" | "admin" | "member"
      }
    }, void, CommonProblem | Forbidden | NotFound | ParticipantLimitReached | QuotaExceeded | RateLimited | Unauthorized>
    /** Remove or leave. Removes a person from a group. With the caller's own id, leaves the group. */
    readonly removeParticipant: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The id of the person. */
      readonly userId: string
    }, void, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Mark messages as read. Moves the caller's cursors forward, which say how far messages have been received and read. A smaller number changes nothing. */
    readonly receipt: Operation<{
      /** The conversation's id. */
      readonly id: string
      readonly body: {
        /** The position up to which the caller has received messages. */
        readonly deliveredSeq?: number
        /** The position up to which the caller has read messages. */
        readonly readSeq?: number
      }
    }, void, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Show that you are typing. Shows for six seconds that the caller is typing: repeat it every few seconds. `isTyping: false` ends it, and so does a message from the caller. */
    readonly typing: Operation<{
      /** The conversation's id. */
      readonly id: string
      readonly body: {
        /** `false` when the caller stops typing. */
        readonly isTyping?: boolean
      }
    }, void, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly messages: {
    /** Read or follow messages. Returns a page of messages, the newest ones unless `before`, `after` or `around` is given. Long messages make a page shorter than `limit`: it has about 512 KiB of JSON, and its `before` and `after` lead to the rest. `receipts` says how far each participant has received and read, or, with more than 50 participants, only those who are furthest behind. A message is read if everyone in the list except its sender has a `readSeq` of at least its `seq`, and the list has somebody other than the sender. It is delivered if the same holds for `deliveredSeq`. A `hidden` message is neither. If the request asks for it, returns a stream instead, in one of four encodings that all resume by the same version: Braid-HTTP with a `Subscribe` header (209, `Parents`), server-sent events with `Accept: text/event-stream` (`Last-Event-ID`), lines of JSON with `Accept: application/x-ndjson` (`?after=`), or long polls with `?wait=20s&after=`. */
    readonly page: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** Returns the messages before this position. */
      readonly before?: number | undefined
      /** Returns the messages after this position; of a stream, the version that it resumes after. */
      readonly after?: number | string | undefined
      /** Returns the messages around this position. */
      readonly around?: number | undefined
    }, MessagePage, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized | VersionNotFound>
    /** Send several messages. Sends up to 256 messages in their order, each a line of JSON. The body has at most 512 KiB. The answer has a line for each message: it is stored (201, or 200 if it was sent before), or has a problem. A message that is refused with 4xx other than 429 does not stop those behind it. With 429 or 503, no later message is stored either, so none overtakes another. If that happens before any message is stored, it is the status of the answer. */
    readonly sendAll: Operation<{
      /** The conversation's id. */
      readonly id: string
      readonly body: ReadonlyArray<NewMessage>
    }, ReadonlyArray<SendOutcome>, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Send a message. Sends a message: 201 the first time, and 200 with the stored message whenever it is sent again. A request with a `Parents` header edits: `Parents` must be the message's current version, as its `Version` header gives it. */
    readonly send: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** A UUID that the sender chooses: a new one for each message. */
      readonly messageId: string
      /** For an edit, the version of the message that it replaces, in quotes: `"57"`. */
      readonly Parents?: string | undefined
      readonly body: Draft
    }, Message, CommonProblem | Forbidden | MessageIdReused | NotFound | QuotaExceeded | RateLimited | StaleVersion | Unauthorized>
    /** Get a message. Returns the present state of a message. */
    readonly get: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The message's id. */
      readonly messageId: string
    }, Message, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** Edit a message. Replaces the text of a message and keeps the earlier one. Only its author may do so. */
    readonly edit: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The message's id. */
      readonly messageId: string
      readonly body: {
        /** The new text. */
        readonly content: string
      }
    }, Message, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | StaleVersion | Unauthorized>
    /** Delete a message. Deletes a message; a tombstone stays. Its author may do so, and in a group the owner and the admins. */
    readonly erase: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The message's id. */
      readonly messageId: string
    }, void, CommonProblem | Forbidden | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** List earlier texts. Lists the contents of a message before its edits, the first one first. The first and the latest ones are kept, at most 100 of them and 1024 KiB in total. */
    readonly history: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The message's id. */
      readonly messageId: string
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** The `after` of the page before; without it, the first page. */
      readonly after?: number | undefined
    }, {
      /** The contents, the first one first. */
      readonly versions: ReadonlyArray<MessageVersion>
      /** The `after` that the next page is requested with; `null` on the last page. */
      readonly after: string | null
    }, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** React to a message. Adds the caller's reaction to a message. Spellings of one emoji, with and without variation selectors, are one reaction. A message has at most 50 different reactions, 20 of them from one person. */
    readonly react: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The message's id. */
      readonly messageId: string
      /** One emoji, or a short code such as `:tada:`. */
      readonly emoji: string
    }, void, CommonProblem | NotFound | QuotaExceeded | RateLimited | ReactionLimitReached | Unauthorized>
    /** Remove your reaction. Removes the caller's reaction from a message, however the emoji is spelled. */
    readonly unreact: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The message's id. */
      readonly messageId: string
      /** One emoji, or a short code such as `:tada:`. */
      readonly emoji: string
    }, void, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
    /** List who reacted. Lists everyone who reacted to a message with one emoji, the first one first. The message itself names 10 of them. */
    readonly reactors: Operation<{
      /** The conversation's id. */
      readonly id: string
      /** The message's id. */
      readonly messageId: string
      /** One emoji, or a short code such as `:tada:`. */
      readonly emoji: string
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** The `after` of the page before; without it, the first page. */
      readonly after?: string | undefined
    }, {
      /** The people who reacted, the first one first. */
      readonly users: ReadonlyArray<Reactor>
      /** The `after` that the next page is requested with; `null` on the last page. */
      readonly after: string | null
    }, CommonProblem | NotFound | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly search: {
    /** Search messages. Finds texts in the caller's conversations that contain all the words, in any order, the newest first. Case and accents do not matter, and the last word may be the beginning of one. Quotation marks enclose a phrase; a word with punctuation in it, such as a URL, is the phrase of its parts. `from:` takes a username or `me`. `in:` takes the name of a group, the username of the other person in a direct conversation, or the id of a conversation; quote it if it has spaces. Several `from:` or several `in:` match any of them. `before:` and `after:` take a day, a month or a year in UTC, or a time, and find messages from before it begins, or from then on. Everything else is words. A page of long messages may have fewer than `limit`; its `cursor` leads to the rest. */
    readonly search: Operation<{
      /** The words to find, with `from:`, `in:`, `before:` and `after:` to narrow the search. */
      readonly q: string
      /** The id of a conversation to search in; all of the caller's conversations unless given. */
      readonly conversation?: string | undefined
      /** The most items in the answer: 1 to 200, and 50 unless given. */
      readonly limit?: number | undefined
      /** The `cursor` of the page before; without it, the first page. */
      readonly cursor?: string | undefined
    }, {
      /** The newest message first. */
      readonly messages: ReadonlyArray<FoundMessage>
      /** The `cursor` that the next page is requested with; `null` on the last page. */
      readonly cursor: string | null
      /** `false` while older messages are still being indexed after an upgrade, and cannot be found yet. */
      readonly isComplete: boolean
    }, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly inbox: {
    /** Read your inbox. Returns the user's conversations with their last message and unread count, and their friends, requests and blocks. The same as a stream, in the four encodings of messages, is enough for a whole client. Each update replaces the members that it contains. A resumed stream misses no update, and may repeat one. */
    readonly inbox: Operation<{
      /** The version that a stream resumes after. */
      readonly after?: string | undefined
    }, InboxPage, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly presence: {
    /** See who is online. Returns which friends of the caller, and which people in conversations of at most 100 participants with them, are online, and who is typing in those conversations. Anyone not listed is offline, and nobody is typing in a conversation that is not listed, unless `cursor` leads on. A stream, in the four encodings of messages, starts with all of this and continues with changes, in which each member replaces the earlier one. A user who hides their presence sees nobody and is seen by nobody. */
    readonly presence: Operation<{
      /** The version that a stream resumes after. */
      readonly after?: string | undefined
      /** The `cursor` of the answer before, for the people and conversations after it. A stream ignores it. */
      readonly cursor?: string | undefined
    }, PresencePage, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly usage: {
    /** See your usage. Returns the user's usage in this calendar month (UTC), and their limits. */
    readonly usage: Operation<{}, UsageReport, CommonProblem | QuotaExceeded | RateLimited | Unauthorized>
  }
  readonly operations: {
    /** Check liveness. Answers as long as the process runs. It does not use the database. */
    readonly livez: Operation<{}, {
      /** Always `alive`. */
      readonly status: "alive"
    }, CommonProblem>
    /** Check readiness. Tells a load balancer whether to send requests here: the database answers, its schema is complete, changes reach the other servers, and this server is not about to stop. A 503 says what is wrong. */
    readonly readyz: Operation<{}, Readiness, CommonProblem | NotReady>
    /** Read metrics. Returns metrics in the text format of Prometheus. */
    readonly metrics: Operation<{}, string, CommonProblem>
  }
}

export interface Route {
  readonly method: string
  /** With its parameters in braces. */
  readonly path: string
  /** The parameters that are headers. Those that are not in the path either belong to the query. */
  readonly headers?: ReadonlyArray<string>
  /** The request needs no session. */
  readonly isPublic?: boolean
  /** The body is a list, each item a line of JSON. */
  readonly hasLines?: boolean
}

export const routes: { readonly [Group in keyof Operations]: { readonly [Name in keyof Operations[Group]]: Route } } = {
  auth: {
    signup: { method: "POST", path: "/api/auth/signup", isPublic: true },
    login: { method: "POST", path: "/api/auth/login", isPublic: true },
    logout: { method: "POST", path: "/api/auth/logout" },
    me: { method: "GET", path: "/api/auth/me" },
    update: { method: "PATCH", path: "/api/auth/me" },
    deleteAccount: { method: "DELETE", path: "/api/auth/me" },
    changePassword: { method: "PUT", path: "/api/auth/password" },
    sessions: { method: "GET", path: "/api/auth/sessions" },
    endOtherSessions: { method: "DELETE", path: "/api/auth/sessions" },
    endSession: { method: "DELETE", path: "/api/auth/sessions/{id}" },
  },
  people: {
    search: { method: "GET", path: "/api/users" },
    get: { method: "GET", path: "/api/users/{id}" },
  },
  friends: {
    list: { method: "GET", path: "/api/friends" },
    remove: { method: "DELETE", path: "/api/friends/{userId}" },
    requests: { method: "GET", path: "/api/friends/requests" },
    ask: { method: "POST", path: "/api/friends/requests" },
    answer: { method: "PUT", path: "/api/friends/requests/{id}" },
    withdraw: { method: "DELETE", path: "/api/friends/requests/{id}" },
    blocks: { method: "GET", path: "/api/friends/blocks" },
    block: { method: "PUT", path: "/api/friends/blocks/{userId}" },
    unblock: { method: "DELETE", path: "/api/friends/blocks/{userId}" },
  },
  conversations: {
    direct: { method: "PUT", path: "/api/conversations/direct/{userId}" },
    create: { method: "POST", path: "/api/conversations" },
    list: { method: "GET", path: "/api/conversations" },
    get: { method: "GET", path: "/api/conversations/{id}" },
    update: { method: "PATCH", path: "/api/conversations/{id}" },
    remove: { method: "DELETE", path: "/api/conversations/{id}" },
    participants: { method: "GET", path: "/api/conversations/{id}/participants" },
    putParticipant: { method: "PUT", path: "/api/conversations/{id}/participants/{userId}" },
    removeParticipant: { method: "DELETE", path: "/api/conversations/{id}/participants/{userId}" },
    receipt: { method: "PUT", path: "/api/conversations/{id}/receipt" },
    typing: { method: "POST", path: "/api/conversations/{id}/typing" },
  },
  messages: {
    page: { method: "GET", path: "/api/conversations/{id}/messages" },
    sendAll: { method: "POST", path: "/api/conversations/{id}/messages", hasLines: true },
    send: { method: "PUT", path: "/api/conversations/{id}/messages/{messageId}", headers: ["Parents"] },
    get: { method: "GET", path: "/api/conversations/{id}/messages/{messageId}" },
    edit: { method: "PATCH", path: "/api/conversations/{id}/messages/{messageId}" },
    erase: { method: "DELETE", path: "/api/conversations/{id}/messages/{messageId}" },
    history: { method: "GET", path: "/api/conversations/{id}/messages/{messageId}/history" },
    react: { method: "PUT", path: "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}" },
    unreact: { method: "DELETE", path: "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}" },
    reactors: { method: "GET", path: "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}" },
  },
  search: {
    search: { method: "GET", path: "/api/messages/search" },
  },
  inbox: {
    inbox: { method: "GET", path: "/api/inbox" },
  },
  presence: {
    presence: { method: "GET", path: "/api/presence" },
  },
  usage: {
    usage: { method: "GET", path: "/api/usage" },
  },
  operations: {
    livez: { method: "GET", path: "/livez", isPublic: true },
    readyz: { method: "GET", path: "/readyz", isPublic: true },
    metrics: { method: "GET", path: "/metrics", isPublic: true },
  },
}
