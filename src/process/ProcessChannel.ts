import { Duration, Effect, FiberSet, Schema, type Option, type Scope } from "effect"
import { constVoid } from "effect/Function"
import type { ChildProcess } from "node:child_process"

const Message = Schema.TaggedUnion({
  /** The process serves. */
  Listening: {},
  /** The metrics are wanted: of the process, or of all from the supervisor. */
  MetricsWanted: { id: Schema.Int },
  Metrics: { id: Schema.Int, text: Schema.String }
})
type Message = typeof Message.Type

const isMessage = Schema.is(Message)

/** How long one side waits for the metrics of the other. A process that is busy for longer is left out. */
const patience = Duration.seconds(2)

export interface ProcessChannel {
  /** Tells the other side that this one serves. */
  readonly announce: Effect.Effect<void>
  /** The metrics of the other side, unless it takes too long. */
  readonly askMetrics: Effect.Effect<Option.Option<string>>
}

/** Connects the two sides of a pipe. Each answers the other's question for metrics. */
export const connect = Effect.fnUntraced(function* (
  pipe: ChildProcess | NodeJS.Process,
  on: { readonly listening: () => void; readonly metrics: Effect.Effect<string> }
): Effect.fn.Return<ProcessChannel, never, Scope.Scope> {
  const run = yield* FiberSet.makeRuntime()
  const waiting = new Map<number, (text: string) => void>()
  let asked = 0

  // The other side may be gone, which its exit reports.
  const send = (message: Message) => void (pipe.connected && pipe.send?.(message, undefined, undefined, constVoid))

  const receive = (message: unknown) => {
    if (!isMessage(message)) return
    switch (message._tag) {
      case "Listening":
        return on.listening()
      case "MetricsWanted":
        return void run(Effect.map(on.metrics, (text) => send({ _tag: "Metrics", id: message.id, text })))
      case "Metrics":
        return waiting.get(message.id)?.(message.text)
    }
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => pipe.on("message", receive)),
    () => Effect.sync(() => pipe.off("message", receive))
  )

  return {
    announce: Effect.sync(() => send({ _tag: "Listening" })),
    askMetrics: Effect.callback<string>((resume) => {
      const id = ++asked
      waiting.set(id, (text) => resume(Effect.succeed(text)))
      send({ _tag: "MetricsWanted", id })
      return Effect.sync(() => void waiting.delete(id))
    }).pipe(Effect.timeoutOption(patience))
  }
})
