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

/** A database and a bus in memory for any number of processes, and a record of what they were asked. */
export const makeWorld = () => {
  const processes = new Set<PubSub.PubSub<ChangeHint>>()
  const audiences = new Map<UserId, PresenceAudience>()
  const world = {
    processes,
    audiences,
    /** The users whose audiences were read, statement by statement. */
    reads: [] as Array<ReadonlyArray<UserId>>,
    authorized: 0,
    published: [] as Array<ChangeHint>,
    isAway: false,
    /** Lets all of them see each other, as participants of the one conversation. */
    acquaint: (...users: ReadonlyArray<UserId>) => {
      for (const user of users) {
        audiences.set(user, {
          people: new Set(users.filter((other) => other !== user)),
          conversations: new Set([conversation])
        })
      }
    }
  }
  return world
}
export type World = ReturnType<typeof makeWorld>

/** Starts a process with its own state. */
export const startProcess = Effect.fnUntraced(function* (world: World) {
  const heard = yield* PubSub.unbounded<ChangeHint>()
  const missed = yield* PubSub.unbounded<void>()
  const presenceChanges = yield* PubSub.unbounded<UserId>()
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
  const audiences = PresenceAudiences.of({
    find: Effect.fnUntraced(function* (users) {
      if (world.isAway) return yield* new DatabaseUnavailable()
      world.reads.push(users)
      const nobody: PresenceAudience = { people: new Set(), conversations: new Set() }
      return new Map(users.map((user) => [user, world.audiences.get(user) ?? nobody]))
    }),
    findParticipants: (conversations, among) =>
      Effect.succeed(
        among.filter((user) => conversations.some((id) => world.audiences.get(user)?.conversations.has(id) === true))
      )
  })
  const liveStreams = LiveStreams.of({
    admit: () => Effect.die("not used here"),
    hasStream: (user) => open.has(user),
    presenceChanges: Stream.fromPubSub(presenceChanges)
  })
  /** Fails for a person outside the conversation, as the database would. */
  const authorize = Effect.fnUntraced(function* (user: UserId, id: ConversationId) {
    world.authorized++
    if (world.audiences.get(user)?.conversations.has(id) !== true) return yield* new NotFound()
  })

  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(
    Layer.fresh(Presence.layer).pipe(
      Layer.provide(Layer.succeed(ChangeBus, bus)),
      Layer.provide(Layer.succeed(PresenceAudiences, audiences)),
      Layer.provide(Layer.succeed(LiveStreams, liveStreams))
    ),
    scope
  )
  const presence = Context.get(context, Presence)

  const count = Effect.fnUntraced(function* (user: UserId, more: number) {
    const sum = (open.get(user) ?? 0) + more
    if (sum === 0) open.delete(user)
    else open.set(user, sum)
    if (sum === 0 || (sum === 1 && more === 1)) yield* PubSub.publish(presenceChanges, user)
  })
  const watch = Effect.fnUntraced(function* (user: UserId) {
    const view = yield* presence.follow(user, { wake: () => {} })
    return { snapshot: Effect.sync(view.snapshot), changes: Effect.sync(view.takeChanges) }
  })

  return {
    presence,
    setTyping: (user: UserId, id: ConversationId, isTyping: boolean) =>
      presence.setTyping(user, id, isTyping, authorize(user, id)),
    watch,
    open: (user: UserId) => count(user, 1),
    close: (user: UserId) => count(user, -1),
    publish: (change: ChangeHint) => bus.publish([change]),
    /** The process no longer hears the others, nor they it. */
    cutOff: Effect.sync(() => world.processes.delete(heard)),
    comeBack: Effect.andThen(
      Effect.sync(() => world.processes.add(heard)),
      PubSub.publish(missed, undefined)
    ),
    stop: Scope.close(scope, Exit.void)
  }
})
