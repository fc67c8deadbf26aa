import { HttpApi, OpenApi } from "effect/http-api"
import { AuthApi } from "./AuthApi.ts"
import { ConversationsApi } from "./ConversationsApi.ts"
import { FriendsApi } from "./FriendsApi.ts"
import { InboxApi } from "./InboxApi.ts"
import { Limits } from "./LimitsApi.ts"
import { MessagesApi } from "./MessagesApi.ts"
import { arrange } from "./OpenApiDocument.ts"
import { OperationsApi } from "./OperationsApi.ts"
import { PeopleApi } from "./PeopleApi.ts"
import { PresenceApi } from "./PresenceApi.ts"
import { Problems } from "./ProblemsApi.ts"
import { SearchApi } from "./SearchApi.ts"
import { UsageApi } from "./UsageApi.ts"
import { version } from "./Version.ts"

const description =
  "A chat backend: accounts, friends, conversations, and messages as streams that resume without losing or repeating one. " +
  "`POST /api/auth/signup` answers with a token; send it as `Authorization: Bearer …`. Errors are " +
  "`application/problem+json` (RFC 9457), and their `type` is stable. A member that the server does not know is refused."

const license = { name: "MIT", url: "https://opensource.org/license/mit" }

/** The whole HTTP contract, which a server implements, a client is derived from, and `/openapi.json` shows. */
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
  // Added after the limits, which do not hold for those who monitor the server.
  .add(OperationsApi)
  .middleware(Problems)
  // An unknown member is the caller's mistake, or a wish that would silently not be fulfilled.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error", errors: "all" })
  .annotate(HttpApi.ParseOptions, { errors: "all" })
  .annotateMerge(OpenApi.annotations({ title: "XFChat", version, description, license, transform: arrange })) {}
