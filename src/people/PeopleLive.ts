import { Layer } from "effect"
import { ContactPolicy } from "./ContactPolicy.ts"
import { Pairs } from "./Pairs.ts"
import { People } from "./People.ts"

export const PeopleLive = Layer.mergeAll(ContactPolicy.layer, Pairs.layer, People.layer)
