import { Effect, Layer, Option } from "effect"
import { constVoid } from "effect/Function"
import { PrometheusMetrics } from "effect/observability"
import process from "node:process"
import { Exposition } from "../operations/Exposition.ts"
import { Configuration } from "../platform/Configuration.ts"
import { connect } from "./ProcessChannel.ts"

const stopThis = () => void process.kill(process.pid, "SIGTERM")

/**
 * The server as one of several processes, if it is one: the supervisor hears when it serves, and answers its `/metrics`. It
 * stops when the supervisor is gone, since nobody else would stop it.
 */
export const supervised = <A, E, R>(server: Layer.Layer<A, E, R>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      if (Option.isNone(yield* Configuration.serverProcess)) return server
      const own = PrometheusMetrics.format()
      const { announce, askMetrics } = yield* connect(process, { listening: constVoid, metrics: own })
      yield* Effect.acquireRelease(
        Effect.sync(() => process.once("disconnect", stopThis)),
        () => Effect.sync(() => process.off("disconnect", stopThis))
      )
      const exposition = Effect.flatMap(askMetrics, Option.match({ onNone: () => own, onSome: Effect.succeed }))
      return Layer.effectDiscard(announce).pipe(
        Layer.provideMerge(server),
        Layer.provide(Layer.succeed(Exposition, exposition))
      )
    })
  )
