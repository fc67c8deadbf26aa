import { Array as Arrays, Cause, Duration, Effect, Option, Stream, type Pull } from "effect"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import type { LiveStream } from "./LiveStream.ts"

/** Nothing new, but the stream lives. */
export const heartbeat = Symbol("heartbeat")
export type Heartbeat = typeof heartbeat

const beat = [heartbeat] as const
const nothing: ReadonlyArray<never> = []

/** Commits a read and returns its updates. If the read timed out, it is never called, and the read is repeated. */
export type Commit<A extends object> = () => ReadonlyArray<A>

/**
 * Where the updates of a subscription come from, in order. Asked again after each answer: what is there now, some or all;
 * empty for nothing yet; an effect where it has to be read first; `undefined` when nothing will ever come again.
 */
export type Source<A extends object> = () =>
  | ReadonlyArray<A>
  | Effect.Effect<Commit<A>, DatabaseUnavailable>
  | undefined

/**
 * The updates of a subscription for its one reader, and heartbeats in between. Whoever delivers them takes what is there
 * and then sleeps on the stream: nothing is queued for a reader who is slow.
 */
export class Feed<A extends object> {
  readonly stream: LiveStream
  private first: ReadonlyArray<A>
  private readonly source: Source<A>
  /** Milliseconds. */
  private readonly patience: number
  private silentUntil: number

  /** `first` are updates that opening the subscription has already read: they come before those of the source. */
  constructor(stream: LiveStream, heartbeat: Duration.Duration, source: Source<A>, first: ReadonlyArray<A> = nothing) {
    this.stream = stream
    this.first = first
    this.source = source
    this.patience = Duration.toMillis(heartbeat)
    this.silentUntil = stream.now + this.patience
  }

  /**
   * The updates to deliver now. Empty: nothing, sleep. `undefined`: the subscription has to end. An effect never takes longer than
   * a heartbeat, and ends with the stream; it fails when the database is gone: the subscriber comes back and resumes.
   */
  poll(): ReadonlyArray<A | Heartbeat> | Effect.Effect<ReadonlyArray<A | Heartbeat>, DatabaseUnavailable> | undefined {
    const { stream } = this
    if (stream.isOver) return undefined
    const { first } = this
    if (first.length > 0) {
      this.first = nothing
      return this.tell(first)
    }
    const taken = this.source()
    if (taken === undefined) return undefined
    if (Effect.isEffect(taken)) {
      return taken.pipe(
        Effect.timeoutOption(this.patience),
        Effect.map(Option.match({ onNone: () => this.tell(beat), onSome: (reading) => this.tell(reading()) })),
        Effect.raceFirst(Effect.as(stream.awaitOver(), nothing))
      )
    }
    if (taken.length > 0) return this.tell(taken)
    if (stream.now >= this.silentUntil) return this.tell(beat)
    stream.wakesAt = this.silentUntil
    return nothing
  }

  private tell<B>(updates: ReadonlyArray<B>): ReadonlyArray<B> {
    if (updates.length > 0) this.silentUntil = this.stream.now + this.patience
    return updates
  }

  /** Waits for the next updates. Is done when the subscription has to end. */
  next(): Pull.Pull<Arrays.NonEmptyReadonlyArray<A | Heartbeat>, DatabaseUnavailable> {
    return Effect.suspend(() => {
      const taken = this.poll()
      if (taken === undefined) return Cause.done()
      if (Effect.isEffect(taken)) {
        return Effect.flatMap(taken, (updates) =>
          Arrays.isReadonlyArrayNonEmpty(updates) ? Effect.succeed(updates) : this.next()
        )
      }
      return Arrays.isReadonlyArrayNonEmpty(taken)
        ? Effect.succeed(taken)
        : Effect.andThen(this.stream.sleep(), this.next())
    })
  }

  /** All that comes. */
  get updates(): Stream.Stream<A | Heartbeat, DatabaseUnavailable> {
    return Stream.fromPull(Effect.succeed(this.next()))
  }
}
