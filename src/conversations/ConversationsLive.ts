import { Layer } from "effect"
import { Conversations } from "./Conversations.ts"
import { Ownership } from "./Ownership.ts"
import { Participants } from "./Participants.ts"
import { Receipts } from "./Receipts.ts"
import { Removal } from "./Removal.ts"

export const ConversationsLive = Layer.mergeAll(Conversations.layer, Participants.layer, Receipts.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(Ownership.layer, Removal.layer))
)
