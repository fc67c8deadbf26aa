import { Effect } from "effect"
import type { Caller } from "../contract/Session.ts"
import type { ConversationId } from "../contract/Conversation.ts"

/**
 * An open stream, which sleeps until there may be something to send. Thousands are open at once and most are silent, so a
 * stream has no timer, and no fiber but that of its request.
 */
export class LiveStream {
  readonly session: Caller
  /** `undefined` for a stream of the user, such as the inbox. */
  readonly conversationId: ConversationId | undefined
  /** The time at which it has to be woken, if nothing wakes it before. */
  wakesAt = Infinity
  private readonly endsAt: number
  private time: number
  private over = false
  private readonly onOver: () => void
  private isWoken = false
  private sleeper: (() => void) | undefined

  /** Times are those of `elapsedMillis`. */
  constructor(
    session: Caller,
    conversationId: ConversationId | undefined,
    times: { readonly now: number; readonly endsAt: number },
    onOver: () => void = () => {}
  ) {
    this.session = session
    this.conversationId = conversationId
    this.time = times.now
    this.endsAt = times.endsAt
    this.onOver = onOver
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
    if (!this.over) {
      this.over = true
      this.onOver()
    }
    this.wake()
  }

  /** Wakes the stream, since there may be something to send. A stream that is awake checks again before it sleeps. */
  wake(): void {
    const { sleeper } = this
    this.sleeper = undefined
    if (sleeper === undefined) this.isWoken = true
    else sleeper()
  }

  /** Ends the stream if it is too old, and wakes it if it has slept long enough. Has to be called often. */
  tick(now: number): void {
    this.time = now
    if (now >= this.endsAt) this.end()
    else if (now >= this.wakesAt) {
      this.wakesAt = Infinity
      this.wake()
    }
  }

  /** Calls a function at the next wake-up; at once if there was one since the last call. */
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
