import { Context, Effect, Layer, Option, Redacted, Schema, Semaphore } from "effect"
import { NetAddress } from "effect/net"
import { randomUUID } from "node:crypto"
import { logOf } from "../platform/Log.ts"
import type { DatabaseUnavailable, ServerBusy } from "../contract/Problem.ts"
import { Unauthorized, Username, type Account } from "../contract/Account.ts"
import { Accounts } from "./Accounts.ts"
import type { Caller, SessionToken } from "../contract/Session.ts"
import { Sessions } from "./Sessions.ts"

const log = logOf("xfchat/auth")

/** Whether a host is an address of the loopback interface, or its name. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || Option.exists(Option.getSuccess(NetAddress.ipFromString(host)), NetAddress.isLoopback)

export interface DevUsers {
  /** Authenticates as the user of this name, whose account is created on first use. */
  readonly sessionOf: (username: string) => Effect.Effect<Caller, Unauthorized | ServerBusy | DatabaseUnavailable>
}

/**
 * For development: users who sign in by their name alone, without a password. `undefined` unless a program provides
 * {@link layerDevUsers}.
 */
export const DevUsers = Context.Reference<DevUsers | undefined>("xfchat/auth/DevUsers", {
  defaultValue: () => undefined
})

const isUsername = Schema.is(Username)

export const layerDevUsers = Layer.effect(
  DevUsers,
  Effect.gen(function* () {
    const accounts = yield* Accounts
    const sessions = yield* Sessions
    const tokens = new Map<string, SessionToken>()

    const findOrCreate = (username: string): Effect.Effect<Account, ServerBusy | DatabaseUnavailable> =>
      Effect.flatMap(
        accounts.findByUsername(username),
        Option.match({
          onSome: Effect.succeed,
          onNone: () =>
            accounts
              .create({ username, email: `${randomUUID()}@localhost`, password: Redacted.make(randomUUID()) })
              .pipe(
                Effect.catchTags({
                  // Another process was faster.
                  UsernameTaken: () => findOrCreate(username),
                  EmailTaken: Effect.die
                })
              )
        })
      )

    const open = Effect.fnUntraced(function* (username: string) {
      const { id } = yield* findOrCreate(username)
      yield* log.warning(`DEV_AUTH_BYPASS signs in ${username} without a password`)
      const { token } = yield* sessions.open(id, { name: "DEV_AUTH_BYPASS", address: undefined })
      tokens.set(username.toLowerCase(), token)
      return yield* sessions.authenticate(token)
    })

    const sessionOf = Effect.fn("DevUsers.sessionOf")(function* (username: string) {
      if (!isUsername(username)) return yield* new Unauthorized({ detail: "X-Dev-User must be a username." })
      const token = tokens.get(username.toLowerCase())
      if (token === undefined) return yield* open(username)
      // A session that was ended, for example by a logout, is replaced.
      return yield* sessions.authenticate(token).pipe(Effect.catchTag("Unauthorized", () => open(username)))
    })

    // One at a time, so that many first requests open one session.
    const semaphore = yield* Semaphore.make(1)
    return { sessionOf: (username: string) => semaphore.withPermits(1)(sessionOf(username)) }
  })
)
