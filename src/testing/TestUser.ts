import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import { Api } from "../contract/Api.ts"
import { Accounts } from "../auth/Accounts.ts"
import { Authorization } from "../contract/AuthApi.ts"
import { Sessions } from "../auth/Sessions.ts"
import { TestServer } from "./TestServer.ts"

/** The password of every test user. */
export const testPassword = Redacted.make("correct horse battery staple")

let number = 0

/** Creates an account, with a new username unless one is given, and opens a session. */
export const signedIn = Effect.fn("signedIn")(function* (username: string = `user_${++number}`) {
  const accounts = yield* Accounts
  const sessions = yield* Sessions
  const account = yield* accounts.create({ username, email: `${username}@example.com`, password: testPassword })
  const { token } = yield* sessions.open(account.id, { name: undefined, address: undefined })
  return { account, id: account.id, token: Redacted.value(token) }
})

export type TestUser = Effect.Success<ReturnType<typeof signedIn>>

/** The typed client of the contract, signed in as a user if one is given. */
export const clientOf = Effect.fn("clientOf")(function* (user?: Pick<TestUser, "token">) {
  const { baseUrl, fetch } = yield* TestServer
  const authorize = HttpApiMiddleware.layerClient(Authorization, ({ next, request }) =>
    next(user === undefined ? request : HttpClientRequest.bearerToken(request, user.token))
  )
  const transport = FetchHttpClient.layer.pipe(
    Layer.provide(Layer.succeed(FetchHttpClient.Fetch, fetch as typeof globalThis.fetch))
  )
  return yield* HttpApiClient.make(Api, { baseUrl }).pipe(Effect.provide([authorize, transport]))
})
