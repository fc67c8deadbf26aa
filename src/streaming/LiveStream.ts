import { Effect } from "effect"
import type { CurrentSession } from "../auth/Session.ts"
import type { ConversationId } from "../messaging/Conversation.ts"

/**
 * An open stream, which sleeps until there may be something to tell. Thousands are open at once and most are silent: one
 * costs an object and a callback, no timer, and no fiber beside that of its request.
 */
export class LiveStream {
  readonly session: CurrentSession["Service"]
  /** `undefined` for a stream of the user's own. */
  readonly conversationId: ConversationId | undefined
  /** When it ends at the latest. */
  private readonly endsAt: number
  private time: number
  private over = false
  private isWoken = false
  private wakesAt = Infinity
  private resume: ((isDue: boolean) => void) | undefined

  /** Times are milliseconds of the clock. */
  constructor(
    session: CurrentSession["Service"],
    conversationId: ConversationId | undefined,
    times: { readonly now: number; readonly endsAt: number }
  ) {
    this.session = session
    this.conversationId = conversationId
    this.time = times.now
    this.endsAt = times.endsAt
  }

  /** What time it was at the last {@link passTime}. */
  get now(): number {
    return this.time
  }

  /** Nothing may be told any more. */
  get isOver(): boolean {
    return this.over
  }

  end(): void {
    this.over = true
    this.wake()
  }

  /** There may be something to tell. Who is awake looks once more before it sleeps. */
  wake(): void {
    if (this.resume === undefined) this.isWoken = true
    else this.resume(false)
  }

  /** To be called now and then: ends the stream when it is too old, and wakes who has slept for long enough. */
  passTime(now: number): void {
    this.time = now
    if (now >= this.endsAt) this.end()
    else if (now >= this.wakesAt) this.resume?.(true)
  }

  /** Sleeps until woken, also by what came since it slept last, or until a time has come: then, this gives `true`. */
  sleep(until: number): Effect.Effect<boolean> {
    return Effect.callback((resume) => {
      if (this.isWoken || this.over) {
        this.isWoken = false
        return resume(Effect.succeed(false))
      }
      const awaken = () => {
        this.resume = undefined
        this.wakesAt = Infinity
      }
      this.wakesAt = until
      this.resume = (isDue) => {
        awaken()
        resume(Effect.succeed(isDue))
      }
      return Effect.sync(awaken)
    })
  }

  /** Waits until the stream is over. */
  awaitOver(): Effect.Effect<void> {
    return Effect.suspend(() => (this.over ? Effect.void : Effect.andThen(this.sleep(Infinity), this.awaitOver())))
  }
}
