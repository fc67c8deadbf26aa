import { ConfigProvider, Console, Effect, Layer, Option, Redacted } from "effect"
import { HttpServer } from "effect/http"
import { NetAddress } from "effect/net"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import process from "node:process"
import { Accounts } from "../auth/Accounts.ts"
import { Sessions } from "../auth/Sessions.ts"
import { Configuration } from "../platform/Configuration.ts"
import * as EmbeddedPostgres from "../postgres-embedded/EmbeddedPostgres.ts"
import { Conversations } from "../conversations/Conversations.ts"
import { ServerProcess } from "./ServerProcess.ts"

/** A demo person to try XFChat with. Nobody knows their password: each start opens a new session for them. */
const demoPerson = Effect.fnUntraced(function* (username: string) {
  const accounts = yield* Accounts
  const sessions = yield* Sessions
  const known = yield* accounts.findByUsername(username)
  const account = Option.isSome(known)
    ? known.value
    : yield* accounts.create({ username, email: `${username}@example.com`, password: Redacted.make(randomUUID()) })
  const { token } = yield* sessions.open(account.id, { name: "xfchat dev", address: undefined })
  return { id: account.id, token: Redacted.value(token) }
})

/** Two commands to copy: one subscribes as a demo person, the other sends as another. */
const conversationCommands = Effect.fnUntraced(function* (api: string) {
  const conversations = yield* Conversations
  const ada = yield* demoPerson("demo_ada")
  const grace = yield* demoPerson("demo_grace")
  const { conversation } = yield* conversations.direct(ada.id, grace.id)
  const messages = `${api}/conversations/${conversation.id}/messages`
  return `
# subscribe, as Ada: leave this running
curl -N ${messages} -H 'authorization: Bearer ${ada.token}' -H 'subscribe: true'

# send, as Grace, from a third terminal
curl -X PUT ${messages}/${randomUUID()} -H 'authorization: Bearer ${grace.token}' -H 'content-type: application/json' -d '{"content":"Hello, Ada"}'
`
})

/** Prints where the server is, and commands to try it with, including those of the demo people if there are any. */
const layerTour = (withDemoPeople: boolean) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { address } = yield* HttpServer.HttpServer
      const port = NetAddress.isUnixPathAddress(address) ? 3000 : address.port
      const api = `http://localhost:${port}/api`
      const name = `you_${randomUUID().slice(0, 8)}`
      const signup = JSON.stringify({ username: name, email: `${name}@example.com`, password: "correct horse" })
      yield* Console.log(`
XFChat is at http://localhost:${port} and its documentation at http://localhost:${port}/docs. Try it from another terminal:

# sign up
curl ${api}/auth/signup -H 'content-type: application/json' -d '${signup}'
${withDemoPeople ? yield* conversationCommands(api) : ""}`)
    })
  )

/**
 * The server for development, reachable from this machine only unless SERVER_HOST says otherwise. It uses the database of
 * `DATABASE_URL`, or an embedded PostgreSQL that keeps its data in `.data/` of the current folder. Another database than the embedded one gets demo people only
 * with `--demo`.
 */
export const development = Effect.fn("development")(function* ({ demo }: { readonly demo: boolean }) {
  const given = yield* Configuration.databaseUrl
  const url = Option.isSome(given)
    ? given.value
    : (yield* EmbeddedPostgres.start({ folder: join(process.cwd(), ".data", "postgres"), port: 5432 })).url
  const environment = ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ DATABASE_URL: Redacted.value(url) }), {
    asPrimary: true
  })
  return yield* layerTour(demo || Option.isNone(given)).pipe(
    Layer.provideMerge(ServerProcess),
    Layer.provide(environment),
    Layer.provide(
      ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ LOG_FORMAT: "pretty", SERVER_HOST: "127.0.0.1" }))
    ),
    Layer.launch
  )
}, Effect.scoped)
