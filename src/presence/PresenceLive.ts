import { Layer } from "effect"
import { Presence } from "./Presence.ts"
import { PresenceAudiences } from "./PresenceAudiences.ts"
import { PresenceSubscriptions } from "./PresenceSubscriptions.ts"

export const PresenceLive = PresenceSubscriptions.layer.pipe(
  Layer.provideMerge(Presence.layer),
  Layer.provideMerge(PresenceAudiences.layer)
)
