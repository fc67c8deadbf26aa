import { Array as Arrays, Context, Effect, Layer, RcMap, Schedule } from "effect"
import type { Scope } from "effect"
import { Incarnations } from "../database/Incarnations.ts"
import { logOf } from "../platform/Log.ts"
import type { ConversationId, Position } from "../contract/Conversation.ts"
import type { LogVersion } from "../contract/LogVersion.ts"
import { Messages } from "./Messages.ts"
import type { Head } from "./LogView.ts"
import * as Metrics from "../platform/Metrics.ts"
import { followChanges, makeBacklog } from "../changes/Follower.ts"
import { RingBudget, RingBytes } from "./Ring.ts"
import { Topic } from "./Topic.ts"

const log = logOf("xfchat/messages")

/** How long a lost hint can delay a change, at most. */
const sweepInterval = "5 seconds"

/** How often changed receipts are read: those of a busy conversation change with each message. */
const receiptsInterval = "1 second"

/** How long a lost hint can delay receipts, at most. */
const receiptsSweepInterval = "1 minute"

/** Conversations whose receipts one statement reads. */
const receiptsBatch = 256

/** How long a conversation is still followed after its last listener has left, so that one that reconnects finds its frames. */
const idleTime = "10 seconds"

/**
 * Follows the logs that clients of this process listen to. Each change is read from the database once and encoded once; a
 * listener is a position in the log, not a queue, so a slow one costs nothing and loses nothing.
 */
export class Hub extends Context.Service<
  Hub,
  {
    /**
     * Follows a conversation until the scope closes. No change that commits from now on is missed: read the head afterwards,
     * and have the topic read up to it. If the topic is over, follow the conversation again.
     */
    readonly follow: (id: ConversationId) => Effect.Effect<Topic, never, Scope.Scope>
    /**
     * Compares the head `now` with what was known `before` it was read. If the log has become shorter, the database has lost
     * commits: the topic ends, and another incarnation of the database begins.
     */
    readonly compare: (topic: Topic, before: LogVersion | undefined, now: Omit<Head, "id">) => Effect.Effect<void>
  }
>()("xfchat/messages/Hub") {
  static readonly layer = Layer.effect(
    Hub,
    Effect.gen(function* () {
      const messages = yield* Messages
      const incarnations = yield* Incarnations
      const followed = new Map<ConversationId, Topic>()
      const budget = new RingBudget(yield* RingBytes)
      yield* Metrics.observe(Metrics.ringBytes, () => budget.bytes)
      yield* Metrics.observe(Metrics.followedConversations, () => followed.size)
      const counts = {
        delivery: yield* Metrics.recorder(Metrics.deliveryDelay),
        miss: yield* Metrics.recorder(Metrics.ringMisses)
      }

      const topics = yield* RcMap.make({
        lookup: (id: ConversationId) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const topic = new Topic(id, messages, budget, counts)
              followed.set(id, topic)
              return topic
            }),
            // Another topic of the conversation may be followed by now.
            (topic) =>
              Effect.sync(() => {
                topic.end()
                if (followed.get(id) === topic) followed.delete(id)
              })
          ),
        idleTimeToLive: idleTime
      })

      // A read that fails loses nothing, since the next hint or sweep reads on from the same position. A log that cannot be read
      // does not hold up the others.
      const readTo = (id: ConversationId, head: Position) =>
        Effect.suspend(() => followed.get(id)?.readTo(head) ?? Effect.void).pipe(
          Effect.catchTag("DatabaseUnavailable", () => log.warning("Changes are delayed")),
          Effect.catchDefect((defect) => log.error("A conversation cannot be read", id, defect))
        )

      const compare = Effect.fnUntraced(
        function* (topic: Topic, before: LogVersion | undefined, now: Omit<Head, "id">) {
          if (before?.incarnation === now.incarnation && now.head < before.position) {
            topic.end()
            yield* incarnations.replace(now.incarnation)
          }
          topic.meet(now.incarnation)
          topic.noteVisibility(now)
        },
        Effect.catchTag("DatabaseUnavailable", () => log.warning("The check for lost commits is delayed"))
      )

      const sweep = Effect.gen(function* () {
        yield* incarnations.check
        const before = new Map([...followed].map(([id, topic]) => [id, { topic, version: topic.version }]))
        yield* Effect.forEach(
          yield* messages.heads([...before.keys()]),
          (now) => {
            const known = before.get(now.id)
            return known === undefined
              ? Effect.void
              : Effect.andThen(compare(known.topic, known.version, now), readTo(now.id, now.head))
          },
          { concurrency: 8, discard: true }
        )
      }).pipe(Effect.catchTag("DatabaseUnavailable", () => log.warning("The sweep of heads is delayed")))
      const readReceipts = (ids: ReadonlyArray<ConversationId>) => {
        const before = new Map(
          ids.flatMap((id) => {
            const topic = followed.get(id)
            return topic === undefined ? [] : [[id, { topic, visibility: topic.visibility }] as const]
          })
        )
        return messages.receipts(ids).pipe(
          Effect.map((read) =>
            read.forEach((receipts) => {
              const known = before.get(receipts.id)
              known?.topic.setReceipts(receipts, known.visibility)
            })
          ),
          Effect.catchTag("DatabaseUnavailable", () => {
            ids.forEach(markReceipts)
            return log.warning("Receipts are delayed")
          }),
          Effect.catchDefect((defect) => log.error("Receipts cannot be read", defect))
        )
      }
      // Marks a conversation whose receipts may have changed.
      const markReceipts = yield* makeBacklog<ConversationId>(
        (ids) => Effect.forEach(Arrays.chunksOf(new Set(ids), receiptsBatch), readReceipts, { discard: true }),
        { gatherTime: receiptsInterval }
      )
      const markAllReceipts = Effect.sync(() => followed.forEach((_, id) => markReceipts(id)))
      yield* markAllReceipts.pipe(Effect.repeat(Schedule.spaced(receiptsSweepInterval)), Effect.forkScoped)

      yield* followChanges({
        hear: (hint) => {
          if (hint._tag !== "Log" && hint._tag !== "Visibility" && hint._tag !== "Receipts") return Effect.void
          const { conversationId } = hint
          const topic = followed.get(conversationId)
          if (topic === undefined) return Effect.void
          // A message moves the cursor of its sender; system messages and blocks change which cursors are shown.
          markReceipts(conversationId)
          if (hint._tag === "Visibility") topic.noteVisibility({ epoch: hint.epoch, changes: "" })
          return hint._tag === "Log" ? Effect.forkChild(readTo(conversationId, hint.head)) : Effect.void
        },
        sweep,
        every: sweepInterval,
        catchUp: Effect.andThen(markAllReceipts, sweep)
      })

      const follow = Effect.fnUntraced(function* (id: ConversationId) {
        // A topic that is over stays for its listeners until they have seen that it is. The first follower that finds it replaces it.
        if (followed.get(id)?.isOver === true) {
          followed.delete(id)
          yield* RcMap.invalidate(topics, id)
        }
        return yield* RcMap.get(topics, id)
      })

      return Hub.of({ follow, compare })
    })
  )
}
