import { Console, Context, Duration, Effect, Layer, Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import { AccountsLive } from "./accounts/AccountsLive.ts"
import { AuthHttp } from "./accounts/AuthHttp.ts"
import { AuthLive } from "./auth/AuthLive.ts"
import { AuthorizationLive } from "./auth/Authorization.ts"
import { ChangeBus } from "./changes/ChangeBus.ts"
import { Api } from "./contract/Api.ts"
import { version } from "./contract/Version.ts"
import { ConversationsHttp } from "./conversations/ConversationsHttp.ts"
import { ConversationsLive } from "./conversations/ConversationsLive.ts"
import { Incarnations } from "./database/Incarnations.ts"
import { LockWaits } from "./database/LockWaits.ts"
import { FriendsHttp } from "./friends/FriendsHttp.ts"
import { FriendsLive } from "./friends/FriendsLive.ts"
import { ClientAddressLive } from "./http/ClientAddress.ts"
import { ProblemsLive } from "./http/Problems.ts"
import { withoutServices } from "./http/RequestContext.ts"
import { RequestsLive } from "./http/Requests.ts"
import { InboxHttp } from "./inbox/InboxHttp.ts"
import { InboxLive } from "./inbox/InboxLive.ts"
import { LimitsLive } from "./limits/Limits.ts"
import { RateLimits } from "./limits/RateLimits.ts"
import { Draining } from "./live/Draining.ts"
import { LiveStreamsLive } from "./live/LiveStreamsLive.ts"
import { MessagesHttp } from "./messages/MessagesHttp.ts"
import { MessagesLive } from "./messages/MessagesLive.ts"
import { AdminHttp } from "./operations/AdminHttp.ts"
import { OperationsHttp } from "./operations/OperationsHttp.ts"
import { OperationsLive } from "./operations/OperationsLive.ts"
import { PeopleHttp } from "./people/PeopleHttp.ts"
import { PeopleLive } from "./people/PeopleLive.ts"
import { PresenceHttp } from "./presence/PresenceHttp.ts"
import { PresenceLive } from "./presence/PresenceLive.ts"
import { SearchHttp } from "./search/SearchHttp.ts"
import { SearchLive } from "./search/SearchLive.ts"
import { Usage } from "./usage/Usage.ts"
import { UsageHttp } from "./usage/UsageHttp.ts"

/** Every service, on the clients of a PostgreSQL database: `SqlClient` and `PgClient`. A feature uses those below it. */
export const ServicesLive = InboxLive.pipe(
  Layer.provideMerge(AccountsLive),
  Layer.provideMerge(FriendsLive),
  Layer.provideMerge(SearchLive),
  Layer.provideMerge(ConversationsLive),
  Layer.provideMerge(MessagesLive),
  Layer.provideMerge(PresenceLive),
  Layer.provideMerge(OperationsLive),
  Layer.provideMerge(LiveStreamsLive),
  Layer.provideMerge(AuthLive),
  Layer.provideMerge(PeopleLive),
  Layer.provideMerge(Layer.mergeAll(Usage.layer, RateLimits.layer)),
  Layer.provideMerge(Layer.mergeAll(ChangeBus.layerConfig, Incarnations.layer, LockWaits.layer))
)

/** Every route, on the services. */
export const RoutesLive = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }),
  // Its default fonts come from another host, which the page may not ask.
  HttpApiScalar.layer(Api, { path: "/docs", scalar: { withDefaultFonts: false } }),
  AdminHttp,
  // `ClientAddressLive` wraps `RequestsLive`: the middleware that is built first is the outermost.
  RequestsLive.pipe(Layer.provide(ClientAddressLive))
).pipe(
  Layer.provide([
    AuthHttp,
    FriendsHttp,
    PeopleHttp,
    ConversationsHttp,
    MessagesHttp,
    SearchHttp,
    InboxHttp,
    PresenceHttp,
    UsageHttp,
    OperationsHttp
  ]),
  Layer.provide([AuthorizationLive, LimitsLive, ProblemsLive])
)

/** How long the server waits for open responses when it stops: a client that does not read would hold one forever. */
export const stopTimeout = Duration.seconds(5)

/** Ends the streams when the server stops, before it waits for open requests: a stream would never end otherwise. */
export const DrainOnStop = Layer.effectDiscard(
  Effect.flatMap(Draining, (draining) => Effect.addFinalizer(() => draining.begin))
)

const ReportListening = Layer.effectDiscard(
  HttpServer.HttpServer.use(({ address }) =>
    Console.error(
      `[STARTUP] XFChat ${version} listening on ${HttpServer.formatAddress(address).replace(/^https?:\/\//, "")}`
    )
  )
)

const Serve = Layer.effectDiscard(
  Effect.gen(function* () {
    const app = yield* HttpRouter.toHttpEffect(RoutesLive)
    const server = yield* HttpServer.HttpServer
    yield* Effect.updateContext(server.serve(app), (context: Context.Context<Scope.Scope>) =>
      Context.merge(withoutServices(context), Context.pick(Scope.Scope)(context))
    )
  })
)

/** The server on an `HttpServer` and a `SqlClient`. It reports and listens only when the database and all services are there. */
export const ServerLive = Layer.mergeAll(ReportListening, DrainOnStop).pipe(Layer.provideMerge(Serve))
