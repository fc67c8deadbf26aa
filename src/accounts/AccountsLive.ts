import { Layer } from "effect"
import { AccountDeletion } from "./AccountDeletion.ts"
import { Profiles } from "./Profiles.ts"

export const AccountsLive = Layer.mergeAll(AccountDeletion.layer, Profiles.layer)
