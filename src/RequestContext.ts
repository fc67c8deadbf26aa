import { Context, Effect, Layer } from "effect"
import { Authorization } from "./auth/AuthApi.ts"
import { Limits } from "./limits/LimitsApi.ts"
import { CurrentLogLevels } from "./Log.ts"
import { Problems } from "./ProblemsApi.ts"

// Effect puts into the context of each request what its server saw when it was built, and what its group of handlers saw: a
// copy of every service there is, at a twentieth of what a request costs, and some KB for as long as a stream is open. So
// they see what they need and no more. What says how to log and to trace is always seen.

const isOurs = (key: string) => key.startsWith("xfchat/") && key !== CurrentLogLevels.key

/** A context without our services, but for some. */
export const withoutServices = <R>(
  context: Context.Context<R>,
  kept: ReadonlySet<string> = new Set()
): Context.Context<R> =>
  Context.makeUnsafe(new Map([...context.mapUnsafe].filter(([key]) => !isOurs(key) || kept.has(key))))

/** An effect that sees none of our services but those that are kept. */
export const apart = <A, E, R>(effect: Effect.Effect<A, E, R>, kept?: ReadonlySet<string>): Effect.Effect<A, E, R> =>
  Effect.updateContext(effect, (context: Context.Context<R>) => withoutServices(context, kept))

const middleware = [Authorization.key, Limits.key, Problems.key]

/** A group of handlers, built where it sees of our services only its middleware and `services`: all that it needs. */
export const seeing = <A, E, R>(group: Layer.Layer<A, E, R>, ...services: ReadonlyArray<{ readonly key: string }>) =>
  Layer.effectContext(apart(Layer.build(group), new Set([...middleware, ...services.map(({ key }) => key)])))
