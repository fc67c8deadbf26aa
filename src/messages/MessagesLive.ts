import { Layer } from "effect"
import { ConversationLocks } from "./ConversationLocks.ts"
import { Hub } from "./Hub.ts"
import { MessageChanges } from "./MessageChanges.ts"
import { Messages } from "./Messages.ts"
import { Outbox } from "./Outbox.ts"
import { Subscriptions } from "./Subscriptions.ts"
import { SystemMessages } from "./SystemMessages.ts"
import { Visibility } from "./Visibility.ts"

export const MessagesLive = Subscriptions.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Hub.layer, MessageChanges.layer)),
  Layer.provideMerge(Messages.layer),
  Layer.provideMerge(Layer.mergeAll(ConversationLocks.layer, Outbox.layer, SystemMessages.layer, Visibility.layer))
)
