import { Effect, Layer, Option } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Api } from "../Api.ts"
import type { Account } from "./Account.ts"
import { Accounts } from "./Accounts.ts"
import { Authorization } from "./AuthApi.ts"
import { CurrentSession, SignedIn } from "./Session.ts"
import { Sessions } from "./Sessions.ts"

/** Reads the bearer token, asks the database whose it is, and hands the session on. */
export const AuthorizationLive = Layer.effect(
  Authorization,
  Effect.gen(function* () {
    const sessions = yield* Sessions
    return Authorization.of({
      bearer: (handler, { credential }) =>
        Effect.flatMap(sessions.authenticate(credential), (session) =>
          Effect.provideService(handler, CurrentSession, session)
        )
    })
  })
)

export const AuthHttp = HttpApiBuilder.group(
  Api,
  "auth",
  Effect.fn(function* (handlers) {
    const accounts = yield* Accounts
    const sessions = yield* Sessions

    const signIn = Effect.fnUntraced(function* (
      user: Account,
      deviceName: string | undefined,
      request: HttpServerRequest.HttpServerRequest
    ) {
      const address = Option.getOrUndefined(request.remoteAddress)
      return new SignedIn({ user, ...(yield* sessions.open(user.id, { name: deviceName, address })) })
    })

    return handlers.handleAll({
      signup: ({ payload, request }) =>
        Effect.flatMap(accounts.create(payload), (account) => signIn(account, payload.deviceName, request)),
      login: ({ payload, request }) =>
        Effect.flatMap(accounts.verify(payload), (account) => signIn(account, payload.deviceName, request)),
      logout: () => Effect.flatMap(CurrentSession, ({ id }) => sessions.end(id)),
      me: () => Effect.flatMap(CurrentSession, ({ userId }) => accounts.get(userId)),
      update: ({ payload }) => Effect.flatMap(CurrentSession, ({ userId }) => accounts.update(userId, payload))
    })
  })
)
