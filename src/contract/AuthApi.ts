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
import { described } from "./Description.ts"
import { Limited } from "./RouteClass.ts"
import { DatabaseUnavailable, Forbidden, NotFound, QuotaExceeded, RateLimited, ServerBusy } from "./Problem.ts"
import type { CurrentSession } from "./Session.ts"
import { Session, SessionId, SignedIn } from "./Session.ts"

/** Finds the session of a request by its bearer token. */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: CurrentSession }>()(
  "xfchat/contract/Authorization",
  {
    requiredForClient: true,
    security: {
      bearer: HttpApiSecurity.bearer.pipe(
        HttpApiSecurity.annotate(OpenApi.Description, "The `token` of a sign-up or a login.")
      )
    },
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
      .annotateMerge(
        OpenApi.annotations({ summary: "Sign up", description: "Creates an account and opens its first session." })
      ),
    HttpApiEndpoint.post("login", "/login", {
      payload: Login,
      success: SignedIn,
      error: [Unauthorized, RateLimited]
    })
      .annotate(Limited, "authentication")
      .annotateMerge(
        OpenApi.annotations({ summary: "Log in", description: "Opens a session, by username or e-mail address." })
      ),
    HttpApiEndpoint.post("logout", "/logout", { success: HttpApiSchema.NoContent })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({ summary: "Log out", description: "Ends the session that the token belongs to." })
      ),
    HttpApiEndpoint.get("me", "/me", { success: Account.json })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({ summary: "Get your account", description: "Returns the account of the caller." })
      ),
    HttpApiEndpoint.patch("update", "/me", {
      payload: AccountChange,
      success: Account.json,
      error: [UsernameTaken, EmailTaken, Forbidden, RateLimited]
    })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Update your account",
          description:
            "Changes the profile and the settings. A missing member leaves its value unchanged. A new e-mail address requires " +
            "`currentPassword`."
        })
      ),
    HttpApiEndpoint.delete("deleteAccount", "/me", {
      payload: AccountDeletionRequest,
      success: HttpApiSchema.NoContent,
      error: [Forbidden, RateLimited]
    })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Delete your account",
          description:
            "Deletes the account, which leaves every group. Its messages stay in the conversations, under a neutral name."
        })
      ),
    HttpApiEndpoint.put("changePassword", "/password", {
      payload: PasswordChange,
      success: HttpApiSchema.NoContent,
      error: [Forbidden, RateLimited]
    })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({
          summary: "Change your password",
          description: "Changes the password and ends all other sessions."
        })
      ),
    HttpApiEndpoint.get("sessions", "/sessions", {
      success: Schema.Struct({
        sessions: Schema.Array(Session.json).pipe(described("The sessions, the most recently used first: at most 100."))
      })
    })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({ summary: "List your sessions", description: "Lists the sessions of the account." })
      ),
    HttpApiEndpoint.delete("endSession", "/sessions/:id", {
      params: { id: SessionId.pipe(described("The id of the session to end.")) },
      success: HttpApiSchema.NoContent,
      error: NotFound
    })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({
          summary: "End a session",
          description: "Ends one session of the account: its token stops working and its streams end."
        })
      ),
    HttpApiEndpoint.delete("endOtherSessions", "/sessions", { success: HttpApiSchema.NoContent })
      .middleware(Authorization)
      .annotateMerge(
        OpenApi.annotations({ summary: "End other sessions", description: "Ends all sessions except this one." })
      )
  )
  .prefix("/api/auth")
  .annotateMerge(
    OpenApi.annotations({
      title: "Accounts and sessions",
      description: "Sign up, log in, and manage your own account and its sessions."
    })
  ) {}
