import { Context, Duration, Effect, Exit, Layer, PubSub, Scope, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { UserId } from "../../src/contract/Account.ts"
import { ConversationId } from "../../src/contract/Conversation.ts"
import { PresenceAudiences } from "../../src/presence/PresenceAudiences.ts"
import { Presence } from "../../src/presence/Presence.ts"
import type { PresenceAudience } from "../../src/contract/PresencePage.ts"
import { DatabaseUnavailable, NotFound } from "../../src/contract/Problem.ts"
import { ChangeBus, type ChangeHint } from "../../src/changes/ChangeBus.ts"
import { LiveStreams } from "../../src/live/LiveStreams.ts"

export const aPerson = () => UserId.make(randomUUID())
export const conversation = ConversationId.make(randomUUID())

/** A database and a bus for any number of processes, in memory, and all that was asked of them. */
export const makeWorld = () => {
  const processes = new Set<PubSub.PubSub<ChangeHint>>()
  const circles = new Map<UserId, PresenceAudience>()
  const world = {
    processes,
    circles,
    /** Those whose circles were read, statement by statement. */
    reads: [] as Array<ReadonlyArray<UserId>>,
    rights: 0,
    published: [] as Array<ChangeHint>,
    isAway: false,
    /** Everybody sees everybody, and all take part in the one conversation. */
    acquaint: (...users: ReadonlyArray<UserId>) => {
      for (const user of users) {
        circles.set(user, {
          people: new Set(users.filter((other) => other !== user)),
          conversations: new Set([conversation])
        })
      }
    }
  }
  return world
}
export type World = ReturnType<typeof makeWorld>

/** A process of its own. */
export const startProcess = Effect.fnUntraced(function* (world: World) {
  const heard = yield* PubSub.unbounded<ChangeHint>()
  const missed = yield* PubSub.unbounded<void>()
  const turnover = yield* PubSub.unbounded<UserId>()
  const open = new Map<UserId, number>()
  world.processes.add(heard)

  const bus = ChangeBus.of({
    publish: Effect.fnUntraced(function* (changes) {
      world.published.push(...changes)
      const targets = world.processes.has(heard) ? world.processes : [heard]
      for (const target of targets) yield* PubSub.publishAll(target, changes)
    }),
    changes: Stream.fromPubSub(heard),
    delay: Effect.succeed(Duration.zero),
    missed: Stream.fromPubSub(missed)
  })
  const circles = PresenceAudiences.of({
    of: Effect.fnUntraced(function* (users) {
      if (world.isAway) return yield* new DatabaseUnavailable()
      world.reads.push(users)
      const nobody: PresenceAudience = { people: new Set(), conversations: new Set() }
      return new Map(users.map((user) => [user, world.circles.get(user) ?? nobody]))
    }),
    participants: (conversations, among) =>
      Effect.succeed(
        among.filter((user) => conversations.some((id) => world.circles.get(user)?.conversations.has(id) === true))
      )
  })
  const liveStreams = LiveStreams.of({
    admit: () => Effect.die("not asked here"),
    hasStream: (user) => open.has(user),
    presenceChanges: Stream.fromPubSub(turnover)
  })
  /** Fails for a person who is not in the conversation, as the database would. */
  const authorize = Effect.fnUntraced(function* (user: UserId, id: ConversationId) {
    world.rights++
    if (world.circles.get(user)?.conversations.has(id) !== true) return yield* new NotFound()
  })

  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(
    Layer.fresh(Presence.layer).pipe(
      Layer.provide(Layer.succeed(ChangeBus, bus)),
      Layer.provide(Layer.succeed(PresenceAudiences, circles)),
      Layer.provide(Layer.succeed(LiveStreams, liveStreams))
    ),
    scope
  )
  const presence = Context.get(context, Presence)

  const count = Effect.fnUntraced(function* (user: UserId, more: number) {
    const sum = (open.get(user) ?? 0) + more
    if (sum === 0) open.delete(user)
    else open.set(user, sum)
    if (sum === 0 || (sum === 1 && more === 1)) yield* PubSub.publish(turnover, user)
  })
  /** Looks on for somebody: gives what is told since this was asked last. */
  const watch = Effect.fnUntraced(function* (user: UserId) {
    const onlooker = yield* presence.follow(user, { wake: () => {} })
    return { whole: Effect.sync(onlooker.whole), told: Effect.sync(onlooker.changes) }
  })

  return {
    presence,
    type: (user: UserId, id: ConversationId, isTyping: boolean) =>
      presence.type(user, id, isTyping, authorize(user, id)),
    watch,
    open: (user: UserId) => count(user, 1),
    close: (user: UserId) => count(user, -1),
    publish: (change: ChangeHint) => bus.publish([change]),
    /** Hears nothing of the others any more, nor they of it. */
    cutOff: Effect.sync(() => world.processes.delete(heard)),
    comeBack: Effect.andThen(
      Effect.sync(() => world.processes.add(heard)),
      PubSub.publish(missed, undefined)
    ),
    stop: Scope.close(scope, Exit.void)
  }
})
