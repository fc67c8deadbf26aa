import { Schema } from "effect"
import {
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  HttpApiSecurity,
  OpenApi
} from "effect/http-api"
import {
  Account,
  AccountChange,
  AccountDeletionRequest,
  EmailTaken,
  Login,
  PasswordChange,
  Signup,
  Unauthorized,
  UsernameTaken
} from "./Account.ts"
import { Limited } from "./RouteClass.ts"
import { DatabaseUnavailable, Forbidden, NotFound, QuotaExceeded, RateLimited, ServerBusy } from "./Problem.ts"
import type { CurrentSession } from "./Session.ts"
import { Session, SessionId, SignedIn } from "./Session.ts"

/** Takes the bearer token of a request, and gives the session that it belongs to. */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: CurrentSession }>()(
  "xfchat/contract/Authorization",
  {
    requiredForClient: true,
    security: { bearer: HttpApiSecurity.bearer },
    error: [Unauthorized, RateLimited, QuotaExceeded, ServerBusy, DatabaseUnavailable]
  }
) {}

export class AuthApi extends HttpApiGroup.make("auth")
  .add(
    HttpApiEndpoint.post("signup", "/signup", {
      payload: Signup,
      success: SignedIn.pipe(HttpApiSchema.status(201)),
      error: [UsernameTaken, EmailTaken]
    })
      .annotate(Limited, "authentication")
      .annotate(OpenApi.Description, "Makes an account and signs it in."),
    HttpApiEndpoint.post("login", "/login", {
      payload: Login,
      success: SignedIn,
      error: [Unauthorized, RateLimited]
    })
      .annotate(Limited, "authentication")
      .annotate(OpenApi.Description, "Opens a session, by username or e-mail address."),
    HttpApiEndpoint.post("logout", "/logout", { success: HttpApiSchema.NoContent })
      .middleware(Authorization)
      .annotate(OpenApi.Description, "Ends the session that the token belongs to."),
    HttpApiEndpoint.get("me", "/me", { success: Account.json })
      .middleware(Authorization)
      .annotate(OpenApi.Description, "The account that is signed in."),
    HttpApiEndpoint.patch("update", "/me", {
      payload: AccountChange,
      success: Account.json,
      error: [UsernameTaken, EmailTaken, Forbidden, RateLimited]
    })
      .middleware(Authorization)
      .annotate(
        OpenApi.Description,
        "Changes the profile and the settings. What is left out stays; a new e-mail address needs `currentPassword`."
      ),
    HttpApiEndpoint.delete("deleteAccount", "/me", {
      payload: AccountDeletionRequest,
      success: HttpApiSchema.NoContent,
      error: [Forbidden, RateLimited]
    })
      .middleware(Authorization)
      .annotate(
        OpenApi.Description,
        "Deletes the account. Its messages stay for those who have them, under a neutral name; the person leaves every group."
      ),
    HttpApiEndpoint.put("changePassword", "/password", {
      payload: PasswordChange,
      success: HttpApiSchema.NoContent,
      error: [Forbidden, RateLimited]
    })
      .middleware(Authorization)
      .annotate(OpenApi.Description, "Changes the password, and ends all sessions but this one."),
    HttpApiEndpoint.get("sessions", "/sessions", { success: Schema.Struct({ sessions: Schema.Array(Session.json) }) })
      .middleware(Authorization)
      .annotate(OpenApi.Description, "The sessions of the account, the last used first: at most 100."),
    HttpApiEndpoint.delete("endSession", "/sessions/:id", {
      params: { id: SessionId },
      success: HttpApiSchema.NoContent,
      error: NotFound
    })
      .middleware(Authorization)
      .annotate(OpenApi.Description, "Ends one session: its token is good for nothing, and its streams end."),
    HttpApiEndpoint.delete("endOtherSessions", "/sessions", { success: HttpApiSchema.NoContent })
      .middleware(Authorization)
      .annotate(OpenApi.Description, "Ends all sessions but this one.")
  )
  .prefix("/api/auth")
  .annotateMerge(OpenApi.annotations({ title: "Accounts and sessions" })) {}
