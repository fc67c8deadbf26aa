import { Console, Duration, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import { Api } from "./contract/Api.ts"
import { AccountDeletion } from "./accounts/AccountDeletion.ts"
import { Accounts } from "./auth/Accounts.ts"
import { AuthHttp } from "./accounts/AuthHttp.ts"
import { AuthorizationLive } from "./auth/Authorization.ts"
import { LoginAttempts } from "./auth/LoginAttempts.ts"
import { Passwords } from "./auth/Passwords.ts"
import { Profiles } from "./accounts/Profiles.ts"
import { Sessions } from "./auth/Sessions.ts"
import { Incarnations } from "./database/Incarnations.ts"
import { LockWaits } from "./database/LockWaits.ts"
import { Blocks } from "./friends/Blocks.ts"
import { Friends } from "./friends/Friends.ts"
import { FriendsHttp } from "./friends/FriendsHttp.ts"
import { Pairs } from "./people/Pairs.ts"
import { People } from "./people/People.ts"
import { PeopleHttp } from "./people/PeopleHttp.ts"
import { ContactPolicy } from "./people/ContactPolicy.ts"
import { Inbox } from "./inbox/Inbox.ts"
import { InboxHttp } from "./inbox/InboxHttp.ts"
import { InboxSubscriptions } from "./inbox/InboxSubscriptions.ts"
import { ClientAddressLive } from "./http/ClientAddress.ts"
import { LimitsLive } from "./limits/Limits.ts"
import { RateLimits } from "./limits/RateLimits.ts"
import { Conversations } from "./conversations/Conversations.ts"
import { ConversationsHttp } from "./conversations/ConversationsHttp.ts"
import { ConversationLocks } from "./messages/ConversationLocks.ts"
import { MessageChanges } from "./messages/MessageChanges.ts"
import { Messages } from "./messages/Messages.ts"
import { MessagesHttp } from "./messages/MessagesHttp.ts"
import { Outbox } from "./messages/Outbox.ts"
import { Ownership } from "./conversations/Ownership.ts"
import { Participants } from "./conversations/Participants.ts"
import { Visibility } from "./messages/Visibility.ts"
import { Removal } from "./conversations/Removal.ts"
import { Receipts } from "./conversations/Receipts.ts"
import { Search } from "./search/Search.ts"
import { SearchHttp } from "./search/SearchHttp.ts"
import { SearchIndex } from "./search/SearchIndex.ts"
import { SystemMessages } from "./messages/SystemMessages.ts"
import { AdminHttp } from "./operations/AdminHttp.ts"
import { DatabaseReport } from "./operations/DatabaseReport.ts"
import { Health } from "./operations/Health.ts"
import { OperationsHttp } from "./operations/OperationsHttp.ts"
import { PresenceAudiences } from "./presence/PresenceAudiences.ts"
import { Presence } from "./presence/Presence.ts"
import { PresenceHttp } from "./presence/PresenceHttp.ts"
import { PresenceSubscriptions } from "./presence/PresenceSubscriptions.ts"
import { ProblemsLive } from "./http/Problems.ts"
import { apart, withServices } from "./http/RequestContext.ts"
import { RequestsLive } from "./http/Requests.ts"
import { ChangeBus } from "./changes/ChangeBus.ts"
import { Draining } from "./live/Draining.ts"
import { Hub } from "./messages/Hub.ts"
import { LiveStreams } from "./live/LiveStreams.ts"
import { Subscriptions } from "./messages/Subscriptions.ts"
import { Usage } from "./usage/Usage.ts"
import { UsageHttp } from "./usage/UsageHttp.ts"

/** Every service, on the clients of a PostgreSQL database: `SqlClient` and `PgClient`. */
export const ServicesLive = Layer.mergeAll(
  Subscriptions.layer,
  InboxSubscriptions.layer,
  PresenceSubscriptions.layer,
  AccountDeletion.layer,
  Search.layer.pipe(Layer.provideMerge(SearchIndex.layer)),
  Profiles.layer,
  Health.layer,
  DatabaseReport.layer
).pipe(
  Layer.provideMerge(Presence.layer),
  Layer.provideMerge(
    Layer.mergeAll(Hub.layer, LiveStreams.layer, MessageChanges.layer, Inbox.layer, PresenceAudiences.layer)
  ),
  Layer.provideMerge(Messages.layer),
  Layer.provideMerge(Friends.layer),
  Layer.provideMerge(
    Layer.mergeAll(Outbox.layer, Conversations.layer, Participants.layer, Receipts.layer, Draining.layer)
  ),
  Layer.provideMerge(
    Layer.mergeAll(
      Ownership.layer.pipe(Layer.provideMerge(SystemMessages.layer)),
      ConversationLocks.layer,
      Removal.layer,
      Blocks.layer,
      People.layer,
      ContactPolicy.layer
    )
  ),
  Layer.provideMerge(Layer.mergeAll(Pairs.layer, Visibility.layer)),
  Layer.provideMerge(Accounts.layer),
  Layer.provideMerge(
    Layer.mergeAll(
      Sessions.layer,
      Incarnations.layer,
      LockWaits.layer,
      ChangeBus.layerConfig,
      Passwords.layer,
      LoginAttempts.layer,
      RateLimits.layer,
      Usage.layer
    )
  )
)

/** Every route, on the services. */
export const RoutesLive = Layer.mergeAll(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }),
  HttpApiScalar.layer(Api, { path: "/docs" }),
  AdminHttp,
  // Within what shows the client: the first that is built is the outermost.
  RequestsLive.pipe(Layer.provide(ClientAddressLive))
).pipe(
  Layer.provide([
    withServices(AuthHttp, Accounts, AccountDeletion, Profiles, Sessions),
    withServices(FriendsHttp, Friends, Blocks),
    withServices(PeopleHttp, People),
    withServices(ConversationsHttp, Conversations, Participants, Receipts, Messages, Presence),
    withServices(MessagesHttp, Messages, MessageChanges, Presence, Subscriptions),
    withServices(SearchHttp, Search),
    withServices(InboxHttp, Inbox, InboxSubscriptions),
    withServices(PresenceHttp, PresenceSubscriptions),
    withServices(UsageHttp, Usage, RateLimits),
    withServices(OperationsHttp, Health)
  ]),
  Layer.provide([AuthorizationLive, LimitsLive, ProblemsLive])
)

/** How long open answers may take to go out when the server stops: a client that does not read would hold it for ever. */
export const stopTimeout = Duration.seconds(5)

/** Ends the streams when the server stops, before it waits for open requests: they would never end by themselves. */
export const DrainOnStop = Layer.effectDiscard(
  Effect.flatMap(Draining, (draining) => Effect.addFinalizer(() => draining.begin))
)

const ReportListening = Layer.effectDiscard(
  HttpServer.HttpServer.use(({ address }) =>
    Console.error(`[STARTUP] Server listening on ${HttpServer.formatAddress(address).replace(/^https?:\/\//, "")}`)
  )
)

/**
 * The server on an `HttpServer` and a `SqlClient`. What is provided is built from the inside out: the database first,
 * so that nobody is listened to before it stands.
 */
export const ServerLive = Layer.mergeAll(ReportListening, DrainOnStop).pipe(
  Layer.provideMerge(
    Layer.effectDiscard(
      Effect.flatMap(HttpRouter.toHttpEffect(RoutesLive), (app) => apart(HttpServer.serveEffect(app)))
    )
  )
)
