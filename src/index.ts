/** XFChat as a library: its contract, its services and its layers. */
export * from "./contract/index.ts"

export { AccountDeletion } from "./accounts/AccountDeletion.ts"
export { Accounts } from "./auth/Accounts.ts"
export { LoginAttempts } from "./auth/LoginAttempts.ts"
export { Passwords } from "./auth/Passwords.ts"
export { Profiles } from "./accounts/Profiles.ts"
export { Sessions } from "./auth/Sessions.ts"

export { Blocks } from "./friends/Blocks.ts"
export { Friends } from "./friends/Friends.ts"
export { Announcements } from "./people/Announcements.ts"
export { Pairs } from "./people/Pairs.ts"
export { People } from "./people/People.ts"
export * from "./people/ContactPolicy.ts"

export * from "./inbox/InboxVersion.ts"
export { Inbox } from "./inbox/Inbox.ts"
export { InboxSubscriptions } from "./inbox/InboxSubscriptions.ts"

export { RateLimits, type Allowance } from "./limits/RateLimits.ts"

export { Conversations } from "./conversations/Conversations.ts"
export { Messages } from "./messages/Messages.ts"
export { ConversationLocks } from "./messages/ConversationLocks.ts"
export { MessageChanges } from "./messages/MessageChanges.ts"
export { Outbox } from "./messages/Outbox.ts"
export { Ownership } from "./conversations/Ownership.ts"

export { Participants } from "./conversations/Participants.ts"
export { Receipts } from "./conversations/Receipts.ts"
export { Removal } from "./conversations/Removal.ts"
export { Search, type SearchRequest, type SearchResult } from "./search/Search.ts"
export { SearchIndex } from "./search/SearchIndex.ts"
export { Visibility } from "./messages/Visibility.ts"
export { SystemMessages } from "./messages/SystemMessages.ts"

export { PresenceAudiences } from "./presence/PresenceAudiences.ts"
export { Presence } from "./presence/Presence.ts"
export { PresenceSubscriptions } from "./presence/PresenceSubscriptions.ts"

export { ChangeHint, ChangeBus } from "./changes/ChangeBus.ts"
export { Draining } from "./live/Draining.ts"
export { LiveStreams } from "./live/LiveStreams.ts"
export { Hub } from "./messages/Hub.ts"
export { Subscriptions, type Subscription, type SubscriptionUpdate } from "./messages/Subscriptions.ts"

export { Configuration } from "./platform/Configuration.ts"
export { Usage, type MonthlyUsage } from "./usage/Usage.ts"

export * as Database from "./database/Database.ts"
export * from "./database/StartupError.ts"
export { Incarnations } from "./database/Incarnations.ts"
export { LockWaits } from "./database/LockWaits.ts"
export * as Migrator from "./database/Migrator.ts"

export { DatabaseReport } from "./operations/DatabaseReport.ts"
export { Health } from "./operations/Health.ts"

export { DrainOnStop, RoutesLive, ServerLive, ServicesLive } from "./Server.ts"
