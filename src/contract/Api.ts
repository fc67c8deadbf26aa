import { HttpApi, OpenApi } from "effect/http-api"
import { AuthApi } from "./AuthApi.ts"
import { FriendsApi } from "./FriendsApi.ts"
import { PeopleApi } from "./PeopleApi.ts"
import { InboxApi } from "./InboxApi.ts"
import { Limits } from "./LimitsApi.ts"
import { ConversationsApi } from "./ConversationsApi.ts"
import { MessagesApi } from "./MessagesApi.ts"
import { OperationsApi } from "./OperationsApi.ts"
import { PresenceApi } from "./PresenceApi.ts"
import { SearchApi } from "./SearchApi.ts"
import { UsageApi } from "./UsageApi.ts"
import { Problems } from "./ProblemsApi.ts"

/** The whole HTTP contract: what a server implements, a client is derived from, and `/openapi.json` shows. */
export class Api extends HttpApi.make("xfchat")
  .add(AuthApi)
  .add(PeopleApi)
  .add(FriendsApi)
  .add(ConversationsApi)
  .add(MessagesApi)
  .add(SearchApi)
  .add(InboxApi)
  .add(PresenceApi)
  .add(UsageApi)
  .middleware(Limits)
  // Who watches over the server asks as often as they want.
  .add(OperationsApi)
  .middleware(Problems)
  // A member that we do not know is a mistake of the caller's, or a wish that we would silently not fulfil.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotate(HttpApi.ParseOptions, { errors: "all" })
  .annotateMerge(OpenApi.annotations({ title: "XFChat", version: "0.1.0" })) {}
