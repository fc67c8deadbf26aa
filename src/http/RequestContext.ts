import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, FileSystem, Layer, Path, Scope } from "effect"
import { Etag, HttpPlatform } from "effect/http"
import { SqlClient } from "effect/sql"
import { Authorization } from "../contract/AuthApi.ts"
import { Limits } from "../contract/LimitsApi.ts"
import { CurrentLogLevels } from "../platform/Log.ts"
import { Problems } from "../contract/ProblemsApi.ts"

// Effect puts into the context of each request what its server saw when it was built, and what its group of handlers saw: a
// copy of every service there is, at a tenth of what a request costs, and some KB for as long as a stream is open. So they
// see what they need and no more.

type Key = { readonly key: string }

const keysOf = (services: ReadonlyArray<Key>): ReadonlySet<string> => new Set(services.map(({ key }) => key))

const narrow = <R>(context: Context.Context<R>, isSeen: (key: string) => boolean): Context.Context<R> =>
  Context.makeUnsafe(new Map([...context.mapUnsafe].filter(([key]) => isSeen(key))))

/** What the services stand on: the database's clients, and that by which a platform serves files. */
const foundations = keysOf([
  SqlClient.SqlClient,
  PgClient.PgClient,
  FileSystem.FileSystem,
  Path.Path,
  HttpPlatform.HttpPlatform,
  Etag.Generator
])

const isService = (key: string) => foundations.has(key) || (key.startsWith("xfchat/") && key !== CurrentLogLevels.key)

/** A context without services. What says how to log and to trace is left. */
export const withoutServices = <R>(context: Context.Context<R>): Context.Context<R> =>
  narrow(context, (key) => !isService(key))

/** An effect that sees no services. */
export const apart = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(effect, (context: Context.Context<R>) => withoutServices(context))

/** What a layer is built with, and the middleware of the API. */
const always = [Scope.Scope, Layer.CurrentMemoMap, Authorization, Limits, Problems]

/** A group of handlers, built where it sees `services`, all that it needs. The rest its requests bring with them. */
export const withServices = <A, E, R>(group: Layer.Layer<A, E, R>, ...services: ReadonlyArray<Key>) => {
  const seen = keysOf([...always, ...services])
  return Layer.effectContext(
    Effect.updateContext(Layer.build(group), (context: Context.Context<R | Scope.Scope>) =>
      narrow(context, (key) => seen.has(key))
    )
  )
}
