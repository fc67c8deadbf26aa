import { Context, Effect, Layer, type Duration, type Scope } from "effect"
import type { Caller } from "../contract/Session.ts"
import type { ConversationId, Position } from "../contract/Conversation.ts"
import { isOfIncarnation, type LogVersion } from "../contract/LogVersion.ts"
import type { Message, MessagePage } from "../contract/Message.ts"
import { Messages } from "./Messages.ts"
import type { View } from "./LogView.ts"
import type { ReceiptList } from "../contract/Receipt.ts"
import type { DatabaseUnavailable, NotFound, RateLimited } from "../contract/Problem.ts"
import { Feed, type Commit } from "../live/Feed.ts"
import { Frame } from "./Frame.ts"
import { ReceiptsFrame } from "./ReceiptsFrame.ts"
import { Hub } from "./Hub.ts"
import { LiveStreams } from "../live/LiveStreams.ts"
import type { Topic, TopicReceipts } from "./Topic.ts"

/** Messages in a snapshot. */
const snapshotSize = 50

/** A subscriber further behind gets one snapshot, which is cheaper than as many updates (a client needs up to 1 ms for each). */
const mostUpdates = 1_000

/** The updates of a subscriber, in order. */
export type SubscriptionUpdate =
  | { readonly _tag: "Snapshot"; readonly version: LogVersion; readonly page: MessagePage }
  /** `previous` is the position of the update before it, or the one that the subscriber came with. */
  | { readonly _tag: "Change"; readonly frame: Frame; readonly previous: Position }
  /** The receipts as they are now. `version` is that of the update before, since receipts do not change it. */
  | { readonly _tag: "Receipts"; readonly frame: ReceiptsFrame; readonly version: LogVersion }

export interface SubscribeRequest {
  /** The version that the subscriber has; `undefined` when it has nothing, or no version of a log. */
  readonly from: LogVersion | undefined
  readonly heartbeat: Duration.Duration
  /** Whether receipts are updates of their own. */
  readonly sendsReceipts: boolean
}

/** An open subscription. */
export interface Subscription {
  /** The version of the log when the subscription was opened: a client that has reached it is caught up. */
  readonly version: LogVersion
  readonly feed: Feed<SubscriptionUpdate>
  /** The receipts as the subscriber sees them now; `undefined` once the subscriber is no longer a participant. */
  readonly receipts: Effect.Effect<ReceiptList | undefined, DatabaseUnavailable>
}

const nothing: ReadonlyArray<never> = []

/** Whether a message removes the subscriber, who may see nothing after it. */
const endsParticipation = ({ content }: Message, { userId }: Caller): boolean =>
  content !== null &&
  typeof content === "object" &&
  "event" in content &&
  (content.event === "left" || content.event === "removed") &&
  content.user === userId

/** Reads a log for one subscriber: exactly the missing entries, in order, then new ones. */
class LogReader {
  private readonly messages: Messages["Service"]
  private readonly topic: Topic
  private readonly session: Caller
  private readonly conversationId: ConversationId
  private readonly sendsReceipts: boolean
  private view: View
  /** The topic's visibility that the view knows. */
  private visibility: number
  /** The position that the subscriber came with. */
  private readonly start: Position | undefined
  // The positions up to which the log was read, and sent. They differ if the subscriber may not see the last changes.
  private cursor: Position | undefined
  private lastSent: Position
  // Receipts that wait until the log has been sent as far as it went when they were read, so that a subscriber who was removed
  // by then gets none. Then the receipts that were last sent, and those that were last taken from the topic.
  private receipts: Pick<TopicReceipts, "frame" | "head"> | undefined
  private sentReceipts: string | undefined
  private knownReceipts: TopicReceipts | undefined
  private isEnded = false

  constructor(
    messages: Messages["Service"],
    topic: Topic,
    session: Caller,
    conversationId: ConversationId,
    view: View,
    visibility: number,
    knownReceipts: TopicReceipts | undefined,
    { from, sendsReceipts }: SubscribeRequest
  ) {
    this.messages = messages
    this.topic = topic
    this.session = session
    this.conversationId = conversationId
    this.view = view
    this.visibility = visibility
    // A copy of another incarnation may hold lost messages.
    const start = from !== undefined && isOfIncarnation(from, view.incarnation) ? from.position : undefined
    this.start = start
    const isCopyGood = start === 0 || (start !== undefined && start <= view.head && start > view.rewrittenAt)
    const resumes = isCopyGood && view.head - start <= mostUpdates
    this.cursor = resumes ? start : undefined
    this.lastSent = start ?? view.head
    this.sendsReceipts = sendsReceipts
    this.knownReceipts = knownReceipts
    this.receipts = { frame: new ReceiptsFrame(view.receipts), head: view.head }
  }

  /** A {@link Feed}'s source. Most often the next entries are in memory, and there is nothing to wait for. */
  read():
    | ReadonlyArray<SubscriptionUpdate>
    | Effect.Effect<Commit<SubscriptionUpdate>, DatabaseUnavailable>
    | undefined {
    const { cursor } = this
    if (this.isEnded || this.topic.isOver) return undefined
    if (cursor === undefined) return this.readSnapshot(this.view, this.visibility)
    if (this.topic.visibility > this.visibility) return this.refreshView(cursor)
    if (!this.topic.hasAfter(cursor)) return this.sendsReceipts ? this.readReceipts(cursor) : nothing
    const frames = this.topic.fromMemory(cursor)
    if (frames !== undefined && !this.needsOwn(frames)) {
      const reading = this.interpret(cursor, frames)
      if (Effect.isEffect(reading)) return reading
      const updates = reading()
      // Entries that the subscriber may not see are skipped.
      return updates.length > 0 ? updates : this.read()
    }
    return (frames === undefined ? this.topic.after(cursor) : Effect.succeed(frames)).pipe(
      Effect.flatMap((found) => this.readOwn(found)),
      Effect.flatMap((own) => {
        if (this.topic.isOver) return Effect.succeed(() => [])
        if (this.topic.visibility > this.visibility) return this.refreshView(cursor)
        const reading = this.interpret(cursor, own)
        return Effect.isEffect(reading) ? reading : Effect.succeed(reading)
      })
    )
  }

  private readReceipts(
    cursor: Position
  ): ReadonlyArray<SubscriptionUpdate> | Effect.Effect<Commit<SubscriptionUpdate>, DatabaseUnavailable> {
    const shared = this.topic.receipts
    // Receipts read before the subscriber's view last changed may be of messages that are hidden now.
    if (shared !== undefined && shared !== this.knownReceipts && shared.visibility >= this.visibility) {
      if (shared.exceptions.has(this.session.userId)) return this.refreshView(cursor)
      this.knownReceipts = shared
      this.receipts = shared
    }
    if (this.receipts === undefined || this.receipts.head > cursor) return nothing
    const { frame } = this.receipts
    this.receipts = undefined
    if (frame.body === this.sentReceipts) return nothing
    this.sentReceipts = frame.body
    return [{ _tag: "Receipts", frame, version: { incarnation: this.view.incarnation, position: this.lastSent } }]
  }

  private isHidden({ message: { senderId } }: Frame): boolean {
    return senderId !== null && this.view.hiddenSenders.has(senderId)
  }

  /** Whether one of the frames may look different to the subscriber, because of a block. */
  private needsOwn(frames: ReadonlyArray<Frame>): boolean {
    return this.view.isPersonal && frames.some((frame) => !frame.isAlikeForAll && !this.isHidden(frame))
  }

  /** The frames as the subscriber sees them. Most are shared with all others. */
  private readOwn(frames: ReadonlyArray<Frame>): Effect.Effect<ReadonlyArray<Frame>, DatabaseUnavailable> {
    if (!this.needsOwn(frames)) return Effect.succeed(frames)
    const shared = new Set(frames.filter((frame) => frame.isAlikeForAll || this.isHidden(frame)))
    const ids = frames.filter((frame) => !shared.has(frame)).map(({ message }) => message.id)
    return Effect.map(this.messages.seenBy(this.session.userId, this.conversationId, [...new Set(ids)]), (seen) =>
      frames.flatMap((frame) => {
        if (shared.has(frame)) return frame
        const message = seen.get(frame.message.id)
        return message === undefined ? [] : new Frame({ message, ...frame.version })
      })
    )
  }

  /** Some participant's view has changed. If it is this subscriber's, they get a new snapshot. */
  private refreshView(cursor: Position): Effect.Effect<Commit<SubscriptionUpdate>, DatabaseUnavailable> {
    const { receipts: known, visibility } = this.topic
    return this.messages.view(this.session.userId, this.conversationId).pipe(
      Effect.tap((view) => Effect.sync(() => this.topic.meet(view.incarnation))),
      Effect.flatMap((view) =>
        view.rewrittenAt > this.view.rewrittenAt ||
        view.hiddenSenders.symmetricDifference(this.view.hiddenSenders).size > 0
          ? this.readSnapshot(view, visibility, known)
          : Effect.succeed(() => {
              this.view = { ...this.view, isPersonal: view.isPersonal }
              this.visibility = visibility
              this.knownReceipts = known
              this.receipts = { frame: new ReceiptsFrame(view.receipts), head: view.head }
              return []
            })
      ),
      Effect.catchTag("NotFound", () => Effect.succeed(() => this.end([], cursor)))
    )
  }

  private readSnapshot(
    view: View,
    visibility: number,
    knownReceipts = this.knownReceipts
  ): Effect.Effect<Commit<SubscriptionUpdate>, DatabaseUnavailable> {
    const { head, incarnation } = view
    return Effect.map(
      this.messages.page(this.conversationId, view, { limit: snapshotSize }),
      (page): Commit<SubscriptionUpdate> =>
        () => {
          if (this.topic.isOver) return []
          this.view = view
          this.visibility = visibility
          this.cursor = head
          this.lastSent = head
          this.knownReceipts = knownReceipts
          this.receipts = undefined
          this.sentReceipts = JSON.stringify(page.receipts)
          return [{ _tag: "Snapshot", version: { incarnation, position: head }, page }]
        }
    )
  }

  /** The updates of the frames after a position. In rare cases the database has to be asked too. */
  private interpret(
    cursor: Position,
    frames: ReadonlyArray<Frame>
  ): Commit<SubscriptionUpdate> | Effect.Effect<Commit<SubscriptionUpdate>, DatabaseUnavailable> {
    const { head } = this.view
    const last = frames.at(-1)?.position
    // The log is known to go further: if it has no entries here, it was deleted.
    if (last === undefined) return () => this.end([], cursor)
    const leaving = frames.find(
      (frame) => (frame.position > head || this.start !== 0) && endsParticipation(frame.message, this.session)
    )?.position
    // A person who left and rejoined may see a different part of the log than their copy holds.
    if (leaving !== undefined)
      return leaving <= head ? this.readSnapshot(this.view, this.visibility) : () => this.end(frames, leaving)
    if (!frames.some(({ message }) => message.version > Math.max(last, head))) return () => this.emit(frames, last)
    // A message has changed after all that was read. By then, the subscriber may have been removed.
    return this.messages.view(this.session.userId, this.conversationId).pipe(
      Effect.as(() => this.emit(frames, last)),
      Effect.catchTag("NotFound", () => Effect.succeed(() => this.end([], cursor)))
    )
  }

  /** Sends the frames before the end: the last updates of the subscriber. */
  private end(frames: ReadonlyArray<Frame>, end: Position): ReadonlyArray<SubscriptionUpdate> {
    this.isEnded = true
    // A frame has its message as of its read, which may be after the end.
    return this.emit(
      frames.filter(({ message }) => message.version < end),
      end
    )
  }

  private emit(frames: ReadonlyArray<Frame>, cursor: Position): ReadonlyArray<SubscriptionUpdate> {
    const updates: Array<SubscriptionUpdate> = []
    for (const frame of frames) {
      if (frame.message.seq <= this.view.visibleAfter) continue
      updates.push({ _tag: "Change", frame: this.isHidden(frame) ? frame.hidden : frame, previous: this.lastSent })
      this.lastSent = frame.position
    }
    this.cursor = cursor
    return updates
  }
}

export class Subscriptions extends Context.Service<
  Subscriptions,
  {
    /**
     * Subscribes a participant to a conversation's log: exactly the missing entries, in order, then new ones. Fails for anyone
     * else. The stream ends between updates: with its scope, when the session or the participation ends, at its maximum age,
     * and when the server stops.
     */
    readonly open: (
      session: Caller,
      conversationId: ConversationId,
      request: SubscribeRequest
    ) => Effect.Effect<Subscription, NotFound | RateLimited | DatabaseUnavailable, Scope.Scope>
  }
>()("xfchat/messages/Subscriptions") {
  static readonly layer = Layer.effect(
    Subscriptions,
    Effect.gen(function* () {
      const hub = yield* Hub
      const messages = yield* Messages
      const liveStreams = yield* LiveStreams

      // Untraced, since thousands of streams are open at once.
      const open = Effect.fnUntraced(function* (
        session: Caller,
        conversationId: ConversationId,
        request: SubscribeRequest
      ) {
        // Followed before the head is read, so that no commit in between is missed.
        const follow = Effect.gen(function* () {
          const topic = yield* hub.follow(conversationId)
          const before = topic.version
          const { receipts, visibility } = topic
          const view = yield* messages.view(session.userId, conversationId)
          yield* hub.compare(topic, before, view)
          return { topic, view, visibility: topic.isCurrent(view) ? topic.visibility : visibility, receipts }
        })
        // Again if the database turns out to have lost commits, since that ends the topic.
        const { receipts, topic, view, visibility } = yield* Effect.repeat(follow, {
          while: ({ topic }) => topic.isOver,
          times: 2
        })
        const stream = yield* liveStreams.admit(session, conversationId)
        yield* topic.readTo(view.head)
        yield* topic.listen(stream)
        const reader = new LogReader(messages, topic, session, conversationId, view, visibility, receipts, request)
        return {
          version: { incarnation: view.incarnation, position: view.head },
          feed: new Feed(stream, request.heartbeat, () => reader.read()),
          receipts: messages.view(session.userId, conversationId).pipe(
            Effect.map(({ receipts }) => receipts),
            Effect.catchTag("NotFound", () => Effect.undefined)
          )
        }
      })

      return Subscriptions.of({ open })
    })
  )
}
