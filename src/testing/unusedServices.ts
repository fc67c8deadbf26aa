import { Layer } from "effect"
import { AccountDeletion } from "../accounts/AccountDeletion.ts"
import { Accounts } from "../auth/Accounts.ts"
import { Profiles } from "../accounts/Profiles.ts"
import { Sessions } from "../auth/Sessions.ts"
import { Blocks } from "../friends/Blocks.ts"
import { Friends } from "../friends/Friends.ts"
import { People } from "../people/People.ts"
import { Inbox } from "../inbox/Inbox.ts"
import { InboxSubscriptions } from "../inbox/InboxSubscriptions.ts"
import { RateLimits } from "../limits/RateLimits.ts"
import { Conversations } from "../conversations/Conversations.ts"
import { MessageChanges } from "../messages/MessageChanges.ts"
import { Messages } from "../messages/Messages.ts"
import { Participants } from "../conversations/Participants.ts"
import { Receipts } from "../conversations/Receipts.ts"
import { Search } from "../search/Search.ts"
import { DatabaseReport } from "../operations/DatabaseReport.ts"
import { Health } from "../operations/Health.ts"
import { Presence } from "../presence/Presence.ts"
import { PresenceSubscriptions } from "../presence/PresenceSubscriptions.ts"
import { Subscriptions } from "../messages/Subscriptions.ts"
import { Usage } from "../usage/Usage.ts"

/**
 * Stubs of all services that the routes need, each of which dies when it is called: merge your own after them. Only what
 * stands before every route lets everybody through.
 */
export const unusedServices = Layer.mergeAll(
  RateLimits.layerUnlimited,
  Usage.layerNone,
  Layer.mock(Accounts, {}),
  Layer.mock(AccountDeletion, {}),
  Layer.mock(Profiles, {}),
  Layer.mock(Sessions, {}),
  Layer.mock(People, {}),
  Layer.mock(Friends, {}),
  Layer.mock(Blocks, {}),
  Layer.mock(Conversations, {}),
  Layer.mock(Participants, {}),
  Layer.mock(Messages, {}),
  Layer.mock(MessageChanges, {}),
  Layer.mock(Receipts, {}),
  Layer.mock(Search, {}),
  Layer.mock(Subscriptions, {}),
  Layer.mock(Inbox, {}),
  Layer.mock(InboxSubscriptions, {}),
  Layer.mock(Health, {}),
  Layer.mock(DatabaseReport, {}),
  Layer.mock(Presence, {}),
  Layer.mock(PresenceSubscriptions, {})
)
