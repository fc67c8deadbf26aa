import { Effect, Layer, Option, type Redacted } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { makeAdmission } from "../limits/LimitsHttp.ts"
import type { Account } from "../contract/Account.ts"
import { AccountDeletion } from "./AccountDeletion.ts"
import { Accounts } from "../auth/Accounts.ts"
import { Authorization } from "../contract/AuthApi.ts"
import { DevUsers, isLoopback } from "../auth/DevUsers.ts"
import { Profiles } from "./Profiles.ts"
import { CurrentSession, SignedIn } from "../contract/Session.ts"
import { Sessions } from "../auth/Sessions.ts"

const addressOf = ({ remoteAddress }: HttpServerRequest.HttpServerRequest) => Option.getOrUndefined(remoteAddress)

/**
 * Who a request without a token says that it is from, for development: on a URL of this machine, so that no page that has
 * its own name lead here can ask, nor anybody through a proxy.
 */
const devUserOf = ({ headers }: HttpServerRequest.HttpServerRequest) => {
  const host = URL.parse(`http://${headers["host"]}`)?.hostname.replace(/^\[(.*)\]$/, "$1") ?? ""
  return headers["authorization"] === undefined && isLoopback(host) ? headers["x-dev-user"] : undefined
}

/** Reads the bearer token, asks the database whose it is, and hands the session on: within what its user may ask for. */
export const AuthorizationLive = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const sessions = yield* Sessions
    const devUsers = yield* DevUsers
    const admit = yield* makeAdmission
    return Authorization.of({
      bearer: Effect.fnUntraced(function* (handler, route) {
        const request = yield* HttpServerRequest.HttpServerRequest
        const devUser = devUsers && devUserOf(request)
        const session = yield* devUsers === undefined || devUser === undefined
          ? sessions.authenticate(route.credential, addressOf(request))
          : devUsers.sessionOf(devUser)
        yield* admit(route, session.userId)
        return yield* Effect.provideService(handler, CurrentSession, session)
      })
    })
  })
)

export const AuthHttp = HttpApiBuilder.group(
  Api,
  "auth",
  Effect.fn(function* (handlers) {
    const accounts = yield* Accounts
    const deletion = yield* AccountDeletion
    const profiles = yield* Profiles
    const sessions = yield* Sessions

    const signIn = Effect.fnUntraced(function* (
      user: Account,
      deviceName: string | undefined,
      request: HttpServerRequest.HttpServerRequest,
      proof?: Redacted.Redacted
    ) {
      const device = { name: deviceName, address: addressOf(request) }
      return new SignedIn({ user, ...(yield* sessions.open(user.id, device, proof)) })
    })

    return handlers.handleAll({
      signup: ({ payload, request }) =>
        Effect.flatMap(accounts.create(payload), (account) =>
          // Nobody but this request knows of the account yet, so that it cannot be gone.
          signIn(account, payload.deviceName, request).pipe(Effect.catchTag("Unauthorized", Effect.die))
        ),
      login: ({ payload, request }) =>
        Effect.flatMap(accounts.verify(payload, addressOf(request)), ({ account, proof }) =>
          signIn(account, payload.deviceName, request, proof)
        ),
      logout: () => Effect.flatMap(CurrentSession, ({ id }) => sessions.end(id)),
      me: () => Effect.flatMap(CurrentSession, ({ userId }) => accounts.get(userId)),
      update: ({ payload, request }) =>
        Effect.flatMap(CurrentSession, ({ userId }) => profiles.update(userId, payload, addressOf(request))),
      changePassword: ({ payload, request }) =>
        Effect.flatMap(CurrentSession, (current) => accounts.changePassword(current, payload, addressOf(request))),
      deleteAccount: ({ payload, request }) =>
        Effect.flatMap(CurrentSession, (current) =>
          deletion.deleteAccount(current, payload.currentPassword, addressOf(request))
        ),
      sessions: () =>
        Effect.flatMap(CurrentSession, (current) => Effect.map(sessions.list(current), (sessions) => ({ sessions }))),
      endSession: ({ params }) => Effect.flatMap(CurrentSession, (current) => sessions.revoke(current, params.id)),
      endOtherSessions: () => Effect.flatMap(CurrentSession, sessions.endOthers)
    })
  })
)
