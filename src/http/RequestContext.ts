import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, FileSystem, Layer, Path, Scope } from "effect"
import { Etag, HttpPlatform } from "effect/http"
import { SqlClient } from "effect/sql"
import { Authorization } from "../contract/AuthApi.ts"
import { Limits } from "../contract/LimitsApi.ts"
import { CurrentLogLevels } from "../platform/Log.ts"
import { Problems } from "../contract/ProblemsApi.ts"

// Effect copies into the context of each request every service that its server and its group of handlers saw when they were
// built. Handlers and middleware take their services when they are built, so a request needs none of them.

const middleware = Context.pick(Authorization, Limits, Problems, Scope.Scope)

/**
 * The layer of a group of handlers, from an effect that takes their services. A handler that needs a service while it
 * answers a request, and middleware other than the API's, do not compile.
 */
export const handlersLayer = <A, E, E2, R2>(
  build: Effect.Effect<Layer.Layer<A, E, Authorization | Limits | Problems>, E2, R2>
): Layer.Layer<A, E | E2, Authorization | Limits | Problems | Exclude<R2, Scope.Scope>> =>
  Layer.effectContext(
    Effect.flatMap(build, (group) =>
      Effect.updateContext(
        Layer.build(group),
        (context: Context.Context<Authorization | Limits | Problems | Scope.Scope>) => middleware(context)
      )
    )
  )

/** The database's clients, and the services that a platform serves files by. */
const foundations: ReadonlySet<string> = new Set(
  [
    SqlClient.SqlClient,
    PgClient.PgClient,
    FileSystem.FileSystem,
    Path.Path,
    HttpPlatform.HttpPlatform,
    Etag.Generator
  ].map(({ key }) => key)
)

const isService = (key: string) => foundations.has(key) || (key.startsWith("xfchat/") && key !== CurrentLogLevels.key)

/** The logging and tracing parts of a context, without the services. */
export const withoutServices = (context: Context.Context<never>): Context.Context<never> =>
  Context.makeUnsafe(new Map([...context.mapUnsafe].filter(([key]) => !isService(key))))
