import { Predicate, Struct } from "effect"
import type { UserId } from "../contract/Account.ts"
import type { ConversationId } from "../contract/Conversation.ts"
import {
  maxPresences,
  maxTypers,
  maxTypingConversations,
  type PresenceAudience,
  type PresencePage
} from "../contract/PresencePage.ts"
import { Leases } from "./Leases.ts"

/** A user who watches presence, on one device or more. */
interface WatchingUser extends PresenceAudience {
  readonly userId: UserId
  people: Set<UserId>
  conversations: ReadonlySet<ConversationId>
  readonly viewers: Set<PresenceViewer>
  /** When the audience was read last. */
  readAt: number
}

/** The last id, if there are more than `most`. */
const endOf = (ids: ReadonlyArray<string>, most: number) => (ids.length > most ? ids[most - 1] : undefined)

/** One device that watches presence, and the ids of what has changed since it last read. */
export interface PresenceViewer {
  readonly user: WatchingUser
  readonly changedPeople: Set<UserId>
  readonly changedConversations: Set<ConversationId>
  readonly wake: () => void
}

/**
 * The presence and typing that a process knows of, and its viewers. A change reaches only viewers who may see it; the others
 * do not even learn that there was one. A viewer that stops reading holds ids, at most as many as its audience has.
 */
export class PresenceState {
  private readonly online = new Leases<UserId>()
  private readonly typing = new Map<ConversationId, Leases<UserId>>()
  private readonly watching = new Map<UserId, WatchingUser>()
  /** The users who see a person, and those who see the typing in a conversation. */
  private readonly watchersOf = new Map<UserId | ConversationId, Set<WatchingUser>>()
  /** The viewers to wake once a change is complete, since they may read at once. */
  private readonly toWake = new Set<PresenceViewer>()

  /** Sets until when somebody is online, replacing any earlier word. */
  setOnline(userId: UserId, until: number, now: number): void {
    if (this.online.set(userId, until, now)) this.markPerson(userId)
    this.wake()
  }

  /** Sets until when somebody types, replacing any earlier word. */
  setTyping(id: ConversationId, userId: UserId, until: number, now: number): void {
    const leases = this.typing.get(id) ?? new Leases<UserId>()
    if (!leases.set(userId, until, now)) return
    if (leases.size === 0) this.typing.delete(id)
    else this.typing.set(id, leases)
    this.markTyping(id, userId)
    this.wake()
  }

  /** Until when somebody types; `undefined` when they do not. */
  typingUntil(id: ConversationId, userId: UserId): number | undefined {
    return this.typing.get(id)?.endOf(userId)
  }

  /** Ends the presence and typing whose time is over. */
  expire(now: number): void {
    for (const userId of this.online.expire(now)) this.markPerson(userId)
    for (const [id, leases] of this.typing) {
      const stopped = leases.expire(now)
      if (leases.size === 0) this.typing.delete(id)
      for (const userId of stopped) this.markTyping(id, userId)
    }
    this.wake()
  }

  /** The state as a user with this audience sees it, after a cursor and as far as it fits in an answer. */
  pageOf(audience: PresenceAudience, after = ""): PresencePage {
    const isLater = (id: string) => id > after
    const [people, conversations] = [[...this.onlineIn(audience)], [...this.typedIn(audience)]]
    return this.describe(audience, new Set(people.filter(isLater)), new Set(conversations.filter(isLater)))
  }

  /** Adds a viewer, who sees nobody before {@link setAudience}. */
  addViewer(userId: UserId, wake: () => void): PresenceViewer {
    const user: WatchingUser = this.watching.get(userId) ?? {
      userId,
      people: new Set(),
      conversations: new Set(),
      viewers: new Set(),
      readAt: Infinity
    }
    this.watching.set(userId, user)
    const viewer: PresenceViewer = { user, changedPeople: new Set(), changedConversations: new Set(), wake }
    user.viewers.add(viewer)
    return viewer
  }

  removeViewer(viewer: PresenceViewer): void {
    const { user } = viewer
    user.viewers.delete(viewer)
    if (user.viewers.size > 0) return
    this.watching.delete(user.userId)
    this.setIndexed(user, false)
  }

  /** The state as a viewer sees it, with every change so far. The part that does not fit in an answer is the next change. */
  snapshot({ changedConversations, changedPeople, user }: PresenceViewer): PresencePage {
    changedPeople.clear()
    changedConversations.clear()
    const [people, conversations] = [this.onlineIn(user), this.typedIn(user)]
    const page = this.describe(user, people, conversations)
    for (const id of people) changedPeople.add(id)
    for (const id of conversations) changedConversations.add(id)
    return page
  }

  /** The changes since the viewer last read, as far as they fit in an update; `undefined` when there are none. */
  takeChanges({ changedConversations, changedPeople, user }: PresenceViewer): PresencePage | undefined {
    if (changedPeople.size === 0 && changedConversations.size === 0) return undefined
    return Struct.omit(this.describe(user, changedPeople, changedConversations), ["cursor"])
  }

  /** All that a user with this audience sees, as texts: equal where it is the same. */
  *entriesOf(audience: PresenceAudience): Generator<string> {
    for (const id of [...this.onlineIn(audience)].sort()) yield id
    for (const id of [...this.typedIn(audience)].sort()) yield `${id}:${this.firstTypers(id, audience).join()}`
  }

  /** Sets whom a user may see, as read just now. It is mutual, so it also sets who may see this user. */
  setAudience(userId: UserId, { conversations, people }: PresenceAudience, now: number): void {
    const user = this.watching.get(userId)
    if (user !== undefined) {
      const before: PresenceAudience = { people: user.people, conversations: user.conversations }
      this.setIndexed(user, false)
      user.people = new Set(people)
      user.conversations = conversations
      user.readAt = now
      this.setIndexed(user, true)
      this.markDifference(user, before)
    }
    for (const other of this.watchersOf.get(userId) ?? []) {
      if (!people.has(other.userId)) this.setVisible(other, userId, false)
    }
    for (const id of people) {
      const other = this.watching.get(id)
      if (other !== undefined && !other.people.has(userId)) this.setVisible(other, userId, true)
    }
    this.wake()
  }

  get hasViewers(): boolean {
    return this.watching.size > 0
  }

  watchingUsers(): ReadonlyArray<UserId> {
    return [...this.watching.keys()]
  }

  /** The watching users who see the typing in a conversation. */
  usersWatching(id: ConversationId): ReadonlyArray<UserId> {
    return [...(this.watchersOf.get(id) ?? [])].map(({ userId }) => userId)
  }

  /** The watching users whose audience was read before a time. */
  usersReadBefore(time: number): ReadonlyArray<UserId> {
    return [...this.watching.values()].filter(({ readAt }) => readAt < time).map(({ userId }) => userId)
  }

  private typersIn(id: ConversationId, { conversations, people }: PresenceAudience): ReadonlyArray<UserId> {
    if (!conversations.has(id)) return []
    return [...(this.typing.get(id)?.keys() ?? [])].filter((userId) => people.has(userId))
  }

  private onlineIn({ people }: PresenceAudience): Set<UserId> {
    return new Set([...people].filter((userId) => this.online.has(userId)))
  }

  private typedIn(audience: PresenceAudience): Set<ConversationId> {
    return new Set([...audience.conversations].filter((id) => this.typersIn(id, audience).length > 0))
  }

  private firstTypers(id: ConversationId, audience: PresenceAudience): ReadonlyArray<UserId> {
    return this.typersIn(id, audience).toSorted().slice(0, maxTypers)
  }

  /** Describes the first ids that fit in an answer, and removes them from the sets. */
  private describe(audience: PresenceAudience, people: Set<UserId>, conversations: Set<ConversationId>): PresencePage {
    const [peopleIds, conversationIds] = [[...people].sort(), [...conversations].sort()]
    const ends = [endOf(peopleIds, maxPresences), endOf(conversationIds, maxTypingConversations)]
    const cursor = ends.filter(Predicate.isString).sort()[0] ?? null
    const page: Required<PresencePage> = { people: {}, typing: {}, cursor }
    const isShown = (id: string) => cursor === null || id <= cursor
    for (const id of peopleIds.filter(isShown)) {
      people.delete(id)
      const isOnline = audience.people.has(id) && this.online.has(id)
      Object.assign(page.people, { [id]: { status: isOnline ? "online" : "offline" } })
    }
    for (const id of conversationIds.filter(isShown)) {
      conversations.delete(id)
      Object.assign(page.typing, { [id]: this.firstTypers(id, audience) })
    }
    return page
  }

  private setIndexed(user: WatchingUser, isIndexed: boolean): void {
    for (const id of user.people) this.index(id, user, isIndexed)
    for (const id of user.conversations) this.index(id, user, isIndexed)
  }

  private index(id: UserId | ConversationId, user: WatchingUser, isIndexed: boolean): void {
    const watchers = this.watchersOf.get(id)
    if (isIndexed) {
      if (watchers === undefined) this.watchersOf.set(id, new Set([user]))
      else watchers.add(user)
    } else if (watchers?.delete(user) === true && watchers.size === 0) this.watchersOf.delete(id)
  }

  /** Adds a person to those whom a user sees, or removes them. */
  private setVisible(user: WatchingUser, personId: UserId, isVisible: boolean): void {
    if (isVisible) user.people.add(personId)
    else user.people.delete(personId)
    this.index(personId, user, isVisible)
    if (this.online.has(personId)) this.mark(user, ({ changedPeople }) => changedPeople.add(personId))
    for (const id of user.conversations) {
      if (this.typing.get(id)?.has(personId) !== true) continue
      this.mark(user, ({ changedConversations }) => changedConversations.add(id))
    }
  }

  /** Marks what a user with a new audience sees otherwise than before. */
  private markDifference(user: WatchingUser, before: PresenceAudience): void {
    for (const personId of user.people.symmetricDifference(before.people)) {
      if (this.online.has(personId)) this.mark(user, ({ changedPeople }) => changedPeople.add(personId))
    }
    for (const id of user.conversations.union(before.conversations)) {
      const isSame = this.typersIn(id, user).join() === this.typersIn(id, before).join()
      if (!isSame) this.mark(user, ({ changedConversations }) => changedConversations.add(id))
    }
  }

  private markPerson(personId: UserId): void {
    for (const user of this.watchersOf.get(personId) ?? []) {
      this.mark(user, ({ changedPeople }) => changedPeople.add(personId))
    }
  }

  private markTyping(id: ConversationId, personId: UserId): void {
    for (const user of this.watchersOf.get(id) ?? []) {
      if (user.people.has(personId)) this.mark(user, ({ changedConversations }) => changedConversations.add(id))
    }
  }

  private mark({ viewers }: WatchingUser, change: (viewer: PresenceViewer) => void): void {
    for (const viewer of viewers) {
      change(viewer)
      this.toWake.add(viewer)
    }
  }

  private wake(): void {
    const viewers = [...this.toWake]
    this.toWake.clear()
    for (const viewer of viewers) viewer.wake()
  }
}
