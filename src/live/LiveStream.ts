import { Effect } from "effect"
import type { Caller } from "../contract/Session.ts"
import type { ConversationId } from "../contract/Conversation.ts"

/**
 * An open stream, which sleeps until there may be something to tell. Thousands are open at once and most are silent: one
 * has no timer, and no fiber beside that of its request.
 */
export class LiveStream {
  readonly session: Caller
  /** `undefined` for a stream of the user's own. */
  readonly conversationId: ConversationId | undefined
  /** When it wants to be woken at the latest. */
  wakesAt = Infinity
  private readonly endsAt: number
  private time: number
  private over = false
  private isWoken = false
  private sleeper: (() => void) | undefined

  /** Times are those of `elapsedMillis`. */
  constructor(
    session: Caller,
    conversationId: ConversationId | undefined,
    times: { readonly now: number; readonly endsAt: number }
  ) {
    this.session = session
    this.conversationId = conversationId
    this.time = times.now
    this.endsAt = times.endsAt
  }

  /** The time of the last {@link tick}. */
  get now(): number {
    return this.time
  }

  /** Whether nothing may be sent any longer. */
  get isOver(): boolean {
    return this.over
  }

  end(): void {
    this.over = true
    this.wake()
  }

  /** There may be something to send. A stream that is awake looks again before it sleeps. */
  wake(): void {
    const { sleeper } = this
    this.sleeper = undefined
    if (sleeper === undefined) this.isWoken = true
    else sleeper()
  }

  /** Ends the stream when it is too old, and wakes it when it has slept long enough. To be called now and then. */
  tick(now: number): void {
    this.time = now
    if (now >= this.endsAt) this.end()
    else if (now >= this.wakesAt) {
      this.wakesAt = Infinity
      this.wake()
    }
  }

  /** Has a function called at the next wake-up; at once when that has come since the last one. */
  onWake(sleeper: () => void): void {
    if (this.isWoken || this.over) {
      this.isWoken = false
      sleeper()
    } else this.sleeper = sleeper
  }

  /** Forgets the sleeper. */
  cancelSleep(): void {
    this.sleeper = undefined
  }

  /** Sleeps until the next wake-up. */
  sleep(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.onWake(() => resume(Effect.void))
      return Effect.sync(() => this.cancelSleep())
    })
  }

  /** Waits until the stream is over. */
  awaitOver(): Effect.Effect<void> {
    return Effect.suspend(() => (this.over ? Effect.void : Effect.andThen(this.sleep(), this.awaitOver())))
  }
}
