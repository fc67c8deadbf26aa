import { Layer } from "effect"
import { Announcements } from "./Announcements.ts"
import { ContactPolicy } from "./ContactPolicy.ts"
import { Pairs } from "./Pairs.ts"
import { People } from "./People.ts"

export const PeopleLive = Layer.mergeAll(
  ContactPolicy.layer,
  People.layer,
  Layer.provideMerge(Announcements.layer, Pairs.layer)
)
