import { Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import type { Account } from "../contract/Account.ts"
import { AccountDeletion } from "./AccountDeletion.ts"
import { Accounts } from "../auth/Accounts.ts"
import { addressOf } from "../auth/Authorization.ts"
import type { PasswordProof } from "../auth/Passwords.ts"
import { Profiles } from "./Profiles.ts"
import { CurrentSession, SignedIn } from "../contract/Session.ts"
import { Sessions } from "../auth/Sessions.ts"
import { handlersLayer } from "../http/RequestContext.ts"

export const AuthHttp = Effect.gen(function* () {
  const accounts = yield* Accounts
  const deletion = yield* AccountDeletion
  const profiles = yield* Profiles
  const sessions = yield* Sessions

  const signIn = Effect.fnUntraced(function* (
    user: Account,
    deviceName: string | undefined,
    request: HttpServerRequest.HttpServerRequest,
    proof?: PasswordProof
  ) {
    const device = { name: deviceName, address: addressOf(request) }
    return new SignedIn({ user, ...(yield* sessions.open(user.id, device, proof)) })
  })

  return HttpApiBuilder.group(Api, "auth", (handlers) =>
    handlers.handleAll({
      signup: Effect.fnUntraced(function* ({ payload, request }) {
        const account = yield* accounts.create(payload)
        // Only this request knows of the account yet, so it cannot have been deleted.
        return yield* signIn(account, payload.deviceName, request).pipe(Effect.catchTag("Unauthorized", Effect.die))
      }),

      login: Effect.fnUntraced(function* ({ payload, request }) {
        const { account, proof } = yield* accounts.verifyLogin(payload, addressOf(request))
        return yield* signIn(account, payload.deviceName, request, proof)
      }),

      logout: Effect.fnUntraced(function* () {
        const { id } = yield* CurrentSession
        return yield* sessions.end(id)
      }),

      me: Effect.fnUntraced(function* () {
        const { userId } = yield* CurrentSession
        return yield* accounts.get(userId)
      }),

      update: Effect.fnUntraced(function* ({ payload, request }) {
        const { userId } = yield* CurrentSession
        return yield* profiles.update(userId, payload, addressOf(request))
      }),

      changePassword: Effect.fnUntraced(function* ({ payload, request }) {
        const caller = yield* CurrentSession
        return yield* accounts.changePassword(caller, payload, addressOf(request))
      }),

      deleteAccount: Effect.fnUntraced(function* ({ payload, request }) {
        const caller = yield* CurrentSession
        return yield* deletion.deleteAccount(caller, payload.currentPassword, addressOf(request))
      }),

      sessions: Effect.fnUntraced(function* () {
        const caller = yield* CurrentSession
        return { sessions: yield* sessions.list(caller) }
      }),

      endSession: Effect.fnUntraced(function* ({ params }) {
        const caller = yield* CurrentSession
        return yield* sessions.revoke(caller, params.id)
      }),

      endOtherSessions: Effect.fnUntraced(function* () {
        yield* sessions.endOthers(yield* CurrentSession)
      })
    })
  )
}).pipe(handlersLayer)
