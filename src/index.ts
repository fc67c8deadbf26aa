/** XFChat as a library: its contract, its services and its layers. */
export { Api } from "./Api.ts"

export * from "./auth/Account.ts"
export * from "./auth/Session.ts"
export { AccountDeletion } from "./auth/AccountDeletion.ts"
export { Accounts } from "./auth/Accounts.ts"
export { Authorization } from "./auth/AuthApi.ts"
export { LoginAttempts } from "./auth/LoginAttempts.ts"
export { Passwords } from "./auth/Passwords.ts"
export { Profiles } from "./auth/Profiles.ts"
export { Sessions } from "./auth/Sessions.ts"

export * from "./friends/Friend.ts"
export { Blocks } from "./friends/Blocks.ts"
export { Friends } from "./friends/Friends.ts"
export { People } from "./friends/People.ts"
export * from "./friends/Reach.ts"

export * from "./inbox/InboxItem.ts"
export * from "./inbox/InboxVersion.ts"
export { Inbox } from "./inbox/Inbox.ts"
export { InboxSubscriptions } from "./inbox/InboxSubscriptions.ts"

export { Limits } from "./limits/LimitsApi.ts"
export { RateLimits, type Allowance } from "./limits/RateLimits.ts"
export { Limited, routeClasses, type RouteClass } from "./limits/RouteClass.ts"

export * from "./messaging/Conversation.ts"
export * from "./messaging/Message.ts"
export { Conversations } from "./messaging/Conversations.ts"
export { Memberships } from "./messaging/Memberships.ts"
export { Messages } from "./messaging/Messages.ts"
export { MessageChanges } from "./messaging/MessageChanges.ts"
export { Outbox } from "./messaging/Outbox.ts"
export { Ownership } from "./messaging/Ownership.ts"

export { Participants } from "./messaging/Participants.ts"
export { Receipts } from "./messaging/Receipts.ts"
export { Removal } from "./messaging/Removal.ts"
export { Visibility } from "./messaging/Visibility.ts"
export { SystemMessages } from "./messaging/SystemMessages.ts"

export * from "./presence/PresencePage.ts"
export { Circles } from "./presence/Circles.ts"
export { Presence } from "./presence/Presence.ts"
export { PresenceSubscriptions } from "./presence/PresenceSubscriptions.ts"

export { Change, ChangeBus } from "./streaming/ChangeBus.ts"
export { Draining } from "./streaming/Draining.ts"
export { Hub } from "./streaming/Hub.ts"
export { Subscriptions, type Subscription, type Update } from "./streaming/Subscriptions.ts"

export * as Configuration from "./Configuration.ts"
export { countsOf, metricTypes, type Counts, type Metric, type Quota } from "./usage/Metric.ts"
export { Usage, type MonthlyUsage } from "./usage/Usage.ts"
export * from "./usage/UsageReport.ts"

export * as Database from "./database/Database.ts"
export * from "./database/StartupError.ts"
export * as Migrator from "./database/Migrator.ts"

export { Health } from "./operations/Health.ts"
export * from "./operations/Readiness.ts"

export * from "./Paging.ts"
export * from "./Problem.ts"
export { DrainOnStop, RoutesLive, ServerLive, ServicesLive } from "./Server.ts"
