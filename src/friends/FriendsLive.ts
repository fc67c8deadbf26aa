import { Layer } from "effect"
import { Blocks } from "./Blocks.ts"
import { Friends } from "./Friends.ts"

export const FriendsLive = Layer.mergeAll(Blocks.layer, Friends.layer)
