import type { UserId } from "../contract/Account.ts"
import type { ConversationId } from "../contract/Conversation.ts"
import { Leases } from "./Leases.ts"
import type { PresenceAudience, PresencePage } from "../contract/PresencePage.ts"

/** Somebody who looks on, from one device or more. */
interface Viewer extends PresenceAudience {
  readonly userId: UserId
  people: Set<UserId>
  conversations: ReadonlySet<ConversationId>
  readonly looks: Set<PresenceViewer>
  /** When the circle was read last. */
  readAt: number
}

/** One of the devices from which somebody looks on: what changed since it looked last, and how it is told so. */
export interface PresenceViewer {
  readonly viewer: Viewer
  readonly people: Set<UserId>
  readonly conversations: Set<ConversationId>
  readonly wake: () => void
}

/**
 * Who is here and who types where, as a process knows it, and who looks on. A change is told to those who may see it, and
 * to nobody else: not even that there was one. What is kept for each of them is the id of what changed, so that who stops
 * reading holds no more ids than there are in their circle.
 */
export class PresenceState {
  private readonly here = new Leases<UserId>()
  private readonly typing = new Map<ConversationId, Leases<UserId>>()
  private readonly viewersById = new Map<UserId, Viewer>()
  /** Who sees somebody, and who sees where somebody types. */
  private readonly watchers = new Map<UserId | ConversationId, Set<Viewer>>()
  /** Those to wake when a change is complete: who wakes may look at once. */
  private readonly told = new Set<PresenceViewer>()

  /** Somebody is here until a time, whatever was said before. */
  setHere(userId: UserId, until: number, now: number): void {
    if (this.here.set(userId, until, now)) this.tellPerson(userId)
    this.wake()
  }

  /** Somebody types until a time, whatever was said before. */
  setTyping(id: ConversationId, userId: UserId, until: number, now: number): void {
    const leases = this.typing.get(id) ?? new Leases<UserId>()
    if (!leases.set(userId, until, now)) return
    if (leases.size === 0) this.typing.delete(id)
    else this.typing.set(id, leases)
    this.tellTyping(id, userId)
    this.wake()
  }

  /** Until when somebody types; `undefined` when they do not. */
  typesUntil(id: ConversationId, userId: UserId): number | undefined {
    return this.typing.get(id)?.endOf(userId)
  }

  /** Ends what has run out. */
  tick(now: number): void {
    for (const userId of this.here.runOut(now)) this.tellPerson(userId)
    for (const [id, leases] of this.typing) {
      const stopped = leases.runOut(now)
      if (leases.size === 0) this.typing.delete(id)
      for (const userId of stopped) this.tellTyping(id, userId)
    }
    this.wake()
  }

  /** What somebody with a circle sees. */
  snapshot(circle: PresenceAudience): PresencePage {
    const people = [...circle.people].filter((userId) => this.here.has(userId))
    const conversations = [...circle.conversations].filter((id) => this.typersIn(id, circle).length > 0)
    return this.describe(circle, people, conversations)
  }

  /** Somebody looks on from now on. They see nobody before {@link setCircle}. */
  addViewer(userId: UserId, wake: () => void): PresenceViewer {
    const viewer: Viewer = this.viewersById.get(userId) ?? {
      userId,
      people: new Set(),
      conversations: new Set(),
      looks: new Set(),
      readAt: Infinity
    }
    this.viewersById.set(userId, viewer)
    const look: PresenceViewer = { viewer, people: new Set(), conversations: new Set(), wake }
    viewer.looks.add(look)
    return look
  }

  unwatch(look: PresenceViewer): void {
    const { viewer } = look
    viewer.looks.delete(look)
    if (viewer.looks.size > 0) return
    this.viewersById.delete(viewer.userId)
    this.setIndexed(viewer, false)
  }

  /** All that there is to see, of which what changed before is a part. */
  whole(look: PresenceViewer): PresencePage {
    look.people.clear()
    look.conversations.clear()
    return this.snapshot(look.viewer)
  }

  /** What changed since the last look; `undefined` when nothing did. */
  changes(look: PresenceViewer): PresencePage | undefined {
    const { conversations, people, viewer } = look
    if (people.size === 0 && conversations.size === 0) return undefined
    const page = this.describe(viewer, people, conversations)
    people.clear()
    conversations.clear()
    return page
  }

  /** Whom somebody may see, as it was read just now, and so who may see them. */
  setCircle(userId: UserId, { conversations, people }: PresenceAudience, now: number): void {
    const viewer = this.viewersById.get(userId)
    if (viewer !== undefined) {
      const before: PresenceAudience = { people: viewer.people, conversations: viewer.conversations }
      this.setIndexed(viewer, false)
      viewer.people = new Set(people)
      viewer.conversations = conversations
      viewer.readAt = now
      this.setIndexed(viewer, true)
      this.tellDifference(viewer, before)
    }
    for (const other of this.watchers.get(userId) ?? []) {
      if (!people.has(other.userId)) this.setSeen(other, userId, false)
    }
    for (const id of people) {
      const other = this.viewersById.get(id)
      if (other !== undefined && !other.people.has(userId)) this.setSeen(other, userId, true)
    }
    this.wake()
  }

  get hasViewers(): boolean {
    return this.viewersById.size > 0
  }

  /** Those who look on. */
  viewers(): ReadonlyArray<UserId> {
    return [...this.viewersById.keys()]
  }

  /** Those who look on, and see who types in a conversation. */
  viewersOf(id: ConversationId): ReadonlyArray<UserId> {
    return [...(this.watchers.get(id) ?? [])].map(({ userId }) => userId)
  }

  /** Those who look on, with a circle that was read before a time. */
  viewersReadBefore(time: number): ReadonlyArray<UserId> {
    return [...this.viewersById.values()].filter(({ readAt }) => readAt < time).map(({ userId }) => userId)
  }

  private typersIn(id: ConversationId, { conversations, people }: PresenceAudience): ReadonlyArray<UserId> {
    if (!conversations.has(id)) return []
    return [...(this.typing.get(id)?.keys() ?? [])].filter((userId) => people.has(userId))
  }

  private describe(
    circle: PresenceAudience,
    people: Iterable<UserId>,
    conversations: Iterable<ConversationId>
  ): PresencePage {
    const statusOf = (userId: UserId) =>
      ({ status: circle.people.has(userId) && this.here.has(userId) ? "online" : "offline" }) as const
    return {
      people: Object.fromEntries([...people].sort().map((userId) => [userId, statusOf(userId)])),
      typing: Object.fromEntries([...conversations].sort().map((id) => [id, this.typersIn(id, circle).toSorted()]))
    }
  }

  private setIndexed(viewer: Viewer, isIndexed: boolean): void {
    for (const id of viewer.people) this.index(id, viewer, isIndexed)
    for (const id of viewer.conversations) this.index(id, viewer, isIndexed)
  }

  private index(id: UserId | ConversationId, viewer: Viewer, isIndexed: boolean): void {
    const viewers = this.watchers.get(id)
    if (isIndexed) {
      if (viewers === undefined) this.watchers.set(id, new Set([viewer]))
      else viewers.add(viewer)
    } else if (viewers?.delete(viewer) === true && viewers.size === 0) this.watchers.delete(id)
  }

  /** Somebody came into a viewer's circle, or left it. */
  private setSeen(viewer: Viewer, userId: UserId, isSeen: boolean): void {
    if (isSeen) viewer.people.add(userId)
    else viewer.people.delete(userId)
    this.index(userId, viewer, isSeen)
    if (this.here.has(userId)) this.tell(viewer, ({ people }) => people.add(userId))
    for (const id of viewer.conversations) {
      if (this.typing.get(id)?.has(userId) === true) this.tell(viewer, ({ conversations }) => conversations.add(id))
    }
  }

  /** A viewer has another circle than before. */
  private tellDifference(viewer: Viewer, before: PresenceAudience): void {
    for (const userId of viewer.people.symmetricDifference(before.people)) {
      if (this.here.has(userId)) this.tell(viewer, ({ people }) => people.add(userId))
    }
    for (const id of viewer.conversations.union(before.conversations)) {
      const isSame = this.typersIn(id, viewer).join() === this.typersIn(id, before).join()
      if (!isSame) this.tell(viewer, ({ conversations }) => conversations.add(id))
    }
  }

  private tellPerson(userId: UserId): void {
    for (const viewer of this.watchers.get(userId) ?? []) this.tell(viewer, ({ people }) => people.add(userId))
  }

  private tellTyping(id: ConversationId, userId: UserId): void {
    for (const viewer of this.watchers.get(id) ?? []) {
      if (viewer.people.has(userId)) this.tell(viewer, ({ conversations }) => conversations.add(id))
    }
  }

  private tell({ looks }: Viewer, mark: (look: PresenceViewer) => void): void {
    for (const look of looks) {
      mark(look)
      this.told.add(look)
    }
  }

  private wake(): void {
    const told = [...this.told]
    this.told.clear()
    for (const look of told) look.wake()
  }
}
