import { Layer } from "effect"
import { Inbox } from "./Inbox.ts"
import { InboxSubscriptions } from "./InboxSubscriptions.ts"

export const InboxLive = InboxSubscriptions.layer.pipe(Layer.provideMerge(Inbox.layer))
