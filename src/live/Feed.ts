import { Array as Arrays, Cause, Duration, Effect, Option, Stream, type Pull } from "effect"
import type { DatabaseUnavailable } from "../contract/Problem.ts"
import type { LiveStream } from "./LiveStream.ts"

/** A sign that the stream lives, while there is nothing new. */
export const heartbeat = Symbol("heartbeat")
export type Heartbeat = typeof heartbeat

const beat = [heartbeat] as const
const nothing: ReadonlyArray<never> = []

/** Commits a read and returns its updates. If the read timed out, it is never called, and the read is repeated. */
export type Commit<A extends object> = () => ReadonlyArray<A>

/**
 * The source of a subscription's updates, in order, which is called again after each answer. Returns all or some of the
 * updates that are there; none if there is nothing yet; an effect if they have to be read first; `undefined` if there will
 * never be another one.
 */
export type Source<A extends object> = () =>
  | ReadonlyArray<A>
  | Effect.Effect<Commit<A>, DatabaseUnavailable>
  | undefined

/**
 * The updates of a subscription for its one reader, and heartbeats in between. The reader takes the updates that are there and
 * then sleeps on the stream: nothing is queued for a slow reader.
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
   * The updates to deliver now. Empty if there is nothing to deliver before the next wake-up; `undefined` if the subscription
   * has to end. An effect never takes longer than a heartbeat, and ends with the stream; it fails when the database is gone, and
   * the subscriber reconnects and resumes.
   */
  poll(): ReadonlyArray<A | Heartbeat> | Effect.Effect<ReadonlyArray<A | Heartbeat>, DatabaseUnavailable> | undefined {
    const { stream } = this
    if (stream.isOver) return undefined
    const { first } = this
    if (first.length > 0) {
      this.first = nothing
      return this.emit(first)
    }
    const taken = this.source()
    if (taken === undefined) return undefined
    if (Effect.isEffect(taken)) {
      return taken.pipe(
        Effect.timeoutOption(this.patience),
        Effect.map(Option.match({ onNone: () => this.emit(beat), onSome: (reading) => this.emit(reading()) })),
        Effect.raceFirst(Effect.as(stream.awaitOver(), nothing))
      )
    }
    if (taken.length > 0) return this.emit(taken)
    if (stream.now >= this.silentUntil) return this.emit(beat)
    stream.wakesAt = this.silentUntil
    return nothing
  }

  private emit<B>(updates: ReadonlyArray<B>): ReadonlyArray<B> {
    if (updates.length > 0) this.silentUntil = this.stream.now + this.patience
    return updates
  }

  /** Waits for the next updates. Done when the subscription has to end. */
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

  /** All updates until the subscription ends. */
  get updates(): Stream.Stream<A | Heartbeat, DatabaseUnavailable> {
    return Stream.fromPull(Effect.succeed(this.next()))
  }
}
