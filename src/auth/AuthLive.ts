import { Layer } from "effect"
import { Accounts } from "./Accounts.ts"
import { LoginAttempts } from "./LoginAttempts.ts"
import { Passwords } from "./Passwords.ts"
import { Sessions } from "./Sessions.ts"

export const AuthLive = Accounts.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Sessions.layer, Passwords.layer, LoginAttempts.layer))
)
