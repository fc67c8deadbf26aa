import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { UserId } from "../../src/contract/Account.ts"
import { ConversationId } from "../../src/contract/Conversation.ts"
import { PresenceState, type PresenceViewer } from "../../src/presence/PresenceState.ts"
import {
  maxPresences,
  maxTypers,
  maxTypingConversations,
  type PresenceAudience,
  type PresencePage
} from "../../src/contract/PresencePage.ts"

const idOf = (number: number) => `00000000-0000-4000-8000-00000000000${number}`
const people = [0, 1, 2, 3].map((number) => UserId.make(idOf(number)))
const conversations = [7, 8].map((number) => ConversationId.make(idOf(number)))

const Person = Schema.Literals([0, 1, 2, 3])
const Conversation = Schema.Literals([0, 1])
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))

const anyActs = Arbitrary.array(
  Arbitrary.schema(
    Schema.Union([
      Schema.TaggedStruct("Here", { who: Person, millis: Millis }),
      Schema.TaggedStruct("Types", { who: Person, where: Conversation, millis: Millis }),
      Schema.TaggedStruct("PassTime", { millis: Millis }),
      // Two come to see each other, or no longer do; the audience of the first is read again.
      Schema.TaggedStruct("Meet", { who: Person, whom: Person }),
      // Somebody joins a conversation, or leaves it.
      Schema.TaggedStruct("Move", { who: Person, where: Conversation }),
      Schema.TaggedStruct("Watch", { who: Person }),
      Schema.TaggedStruct("Unwatch", { which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })) })
    ])
  ),
  { minLength: 30, maxLength: 100 }
)

/** The part of a page that a client draws: people who are offline, and conversations without typing, are left out. */
interface Shown {
  readonly online: ReadonlyArray<string>
  readonly typing: ReadonlyArray<readonly [conversation: string, typers: ReadonlyArray<string>]>
}

const shownBy = ({ people, typing }: PresencePage): Shown => ({
  online: Object.entries(people).flatMap(([id, { status }]) => (status === "online" ? [id] : [])),
  typing: Object.entries(typing).filter(([, typers]) => typers.length > 0)
})

/** The state of a device: all updates, each over the one before. */
class Copy {
  readonly viewer: PresenceViewer
  readonly who: number
  private page: PresencePage

  constructor(viewer: PresenceViewer, who: number, page: PresencePage) {
    this.viewer = viewer
    this.who = who
    this.page = page
  }

  take(change: PresencePage): void {
    this.page = {
      people: { ...this.page.people, ...change.people },
      typing: { ...this.page.typing, ...change.typing }
    }
  }

  get shown(): Shown {
    const { online, typing } = shownBy(this.page)
    return { online: online.toSorted(), typing: typing.toSorted(([a], [b]) => a.localeCompare(b)) }
  }
}

/** Everything kept in the plainest way, and looked up again each time. */
class Model {
  now = 0
  readonly here = new Map<number, number>()
  readonly typing = new Map<string, number>()
  readonly acquainted = new Set<string>()
  readonly participates = new Set<string>()

  pair = (a: number, b: number) => `${Math.min(a, b)} ${Math.max(a, b)}`

  audienceOf(who: number): PresenceAudience {
    return {
      people: new Set(people.filter((_, whom) => this.acquainted.has(this.pair(who, whom)))),
      conversations: new Set(conversations.filter((_, where) => this.participates.has(`${who} ${where}`)))
    }
  }

  shownTo(who: number): Shown {
    const { conversations: mine, people: seen } = this.audienceOf(who)
    const typing = conversations.map((id, where): readonly [string, ReadonlyArray<string>] => [
      id,
      people.filter((user, whom) => seen.has(user) && (this.typing.get(`${whom} ${where}`) ?? 0) > this.now)
    ])
    return {
      online: people.filter((user, whom) => seen.has(user) && (this.here.get(whom) ?? 0) > this.now),
      typing: typing.filter(([id, typers]) => typers.length > 0 && mine.has(ConversationId.make(id)))
    }
  }
}

const toggle = (set: Set<string>, member: string) => {
  if (!set.delete(member)) set.add(member)
}

describe("The state of presence", () => {
  it.prop("reaches everybody who may see it and nobody else, whatever people do", [anyActs], ([acts]) => {
    const state = new PresenceState()
    const model = new Model()
    const copies: Array<Copy> = []
    const woken = new Set<PresenceViewer>()

    for (const act of acts) {
      const before = copies.map(({ who }) => JSON.stringify(model.shownTo(who)))
      woken.clear()
      switch (act._tag) {
        case "Here":
          model.here.set(act.who, model.now + act.millis)
          state.setOnline(people[act.who]!, model.now + act.millis, model.now)
          break
        case "Types":
          model.typing.set(`${act.who} ${act.where}`, model.now + act.millis)
          state.setTyping(conversations[act.where]!, people[act.who]!, model.now + act.millis, model.now)
          break
        case "PassTime":
          model.now += act.millis
          state.expire(model.now)
          break
        case "Meet":
          if (act.who === act.whom) continue
          toggle(model.acquainted, model.pair(act.who, act.whom))
          state.setAudience(people[act.who]!, model.audienceOf(act.who), model.now)
          break
        case "Move":
          toggle(model.participates, `${act.who} ${act.where}`)
          state.setAudience(people[act.who]!, model.audienceOf(act.who), model.now)
          break
        case "Watch": {
          const viewer: PresenceViewer = state.addViewer(people[act.who]!, () => void woken.add(viewer))
          state.setAudience(people[act.who]!, model.audienceOf(act.who), model.now)
          copies.push(new Copy(viewer, act.who, state.snapshot(viewer)))
          woken.clear()
          break
        }
        case "Unwatch": {
          const [copy] = copies.splice(act.which, 1)
          if (copy !== undefined) state.removeViewer(copy.viewer)
          continue
        }
      }
      copies.forEach((copy, index) => {
        const expected = model.shownTo(copy.who)
        const isNews = before[index] !== undefined && before[index] !== JSON.stringify(expected)
        const change = state.takeChanges(copy.viewer)
        assert.strictEqual(change !== undefined, isNews, `${act._tag} reaches ${copy.who}`)
        assert.strictEqual(woken.has(copy.viewer), isNews)
        if (change !== undefined) copy.take(change)
        assert.deepStrictEqual(copy.shown, expected)
        assert.deepStrictEqual(shownBy(state.pageOf(model.audienceOf(copy.who))), expected)
      })
    }
    for (const { viewer } of copies) state.removeViewer(viewer)
    assert.isFalse(state.hasViewers)
    for (const id of conversations) assert.deepStrictEqual(state.usersWatching(id), [])
  })

  it("keeps what changed until it is read, each id once", () => {
    const state = new PresenceState()
    const [ada, grace] = [people[0]!, people[1]!]
    const viewer = state.addViewer(ada, () => {})
    state.setAudience(ada, { people: new Set([grace]), conversations: new Set(conversations) }, 0)
    for (let now = 0; now < 1_000; now += 10) {
      state.setOnline(grace, now + 5, now)
      state.setTyping(conversations[0]!, grace, now + 5, now)
      state.expire(now + 5)
    }
    assert.deepStrictEqual([viewer.changedPeople.size, viewer.changedConversations.size], [1, 1])
    assert.deepStrictEqual(state.takeChanges(viewer), {
      people: { [grace]: { status: "offline" } },
      typing: { [conversations[0]!]: [] }
    })
    assert.isUndefined(state.takeChanges(viewer))
  })

  it("wakes a viewer once a change is complete, so that one that reads at once gets all of it", () => {
    const state = new PresenceState()
    const [ada, ...others] = people
    for (const other of others) {
      state.setOnline(other, 10, 0)
      state.setTyping(conversations[0]!, other, 10, 0)
    }
    const seen: Array<PresencePage | undefined> = []
    const viewer: PresenceViewer = state.addViewer(ada!, () => void seen.push(state.takeChanges(viewer)))
    state.setAudience(ada!, { people: new Set(others), conversations: new Set(conversations) }, 0)
    state.expire(10)
    const status = (status: string) => Object.fromEntries(others.map((other) => [other, { status }]))
    assert.deepStrictEqual(seen, [
      { people: status("online"), typing: { [conversations[0]!]: others } },
      { people: status("offline"), typing: { [conversations[0]!]: [] } }
    ] as never)
  })

  it("lists the users whose audience is older than a time", () => {
    const state = new PresenceState()
    const [ada, grace] = [people[0]!, people[1]!]
    state.addViewer(ada, () => {})
    state.addViewer(grace, () => {})
    // Those whose audience was never read wait for their first reading.
    assert.deepStrictEqual(state.usersReadBefore(100), [])
    const nobody: PresenceAudience = { people: new Set(), conversations: new Set() }
    state.setAudience(ada, nobody, 50)
    state.setAudience(grace, nobody, 60)
    assert.deepStrictEqual(state.usersReadBefore(60), [ada])
    state.setAudience(ada, nobody, 70)
    assert.deepStrictEqual(state.usersReadBefore(70), [grace])
  })

  it("sends very many people in several updates, and names the first of many who type", () => {
    const crowd = Array.from({ length: 2 * maxPresences + 10 }, () => UserId.make(randomUUID())).toSorted()
    const state = new PresenceState()
    const viewer = state.addViewer(people[0]!, () => {})
    state.setAudience(people[0]!, { people: new Set(crowd), conversations: new Set(conversations) }, 0)
    for (const id of crowd) state.setOnline(id, 10, 0)
    for (const id of crowd.slice(0, 2 * maxTypers)) state.setTyping(conversations[0]!, id, 10, 0)
    const updates = [state.snapshot(viewer), state.takeChanges(viewer), state.takeChanges(viewer)]
    assert.deepStrictEqual(
      updates.map((page) => Object.keys(page?.people ?? {}).length),
      [maxPresences, maxPresences, 10]
    )
    assert.deepStrictEqual(
      updates.flatMap((page) => Object.keys(page?.people ?? {})),
      crowd
    )
    assert.deepStrictEqual(updates[0]?.typing[conversations[0]!], crowd.slice(0, maxTypers))
    assert.isUndefined(state.takeChanges(viewer))
  })

  it("says where a page goes on, and notices changes behind its end", () => {
    const ids = (length: number) => Array.from({ length }, () => randomUUID()).toSorted()
    const crowd = ids(maxPresences + 10).map((id) => UserId.make(id))
    const groups = ids(2 * maxTypingConversations + 10).map((id) => ConversationId.make(id))
    const audience: PresenceAudience = { people: new Set(crowd), conversations: new Set(groups) }
    const state = new PresenceState()
    for (const id of crowd) state.setOnline(id, 10, 0)
    for (const id of groups) state.setTyping(id, crowd[0]!, 10, 0)
    const pages: Array<PresencePage> = []
    do pages.push(state.pageOf(audience, pages.at(-1)?.cursor ?? undefined))
    while (pages.at(-1)?.cursor !== null)
    assert.isAbove(pages.length, 2)
    for (const { people, typing } of pages) {
      assert.isAtMost(Object.keys(people).length, maxPresences)
      assert.isAtMost(Object.keys(typing).length, maxTypingConversations)
    }
    assert.deepStrictEqual(
      pages.flatMap(({ people }) => Object.keys(people)),
      [...crowd]
    )
    assert.deepStrictEqual(
      pages.flatMap(({ typing }) => Object.keys(typing)),
      [...groups]
    )
    const before = [...state.entriesOf(audience)]
    state.setOnline(crowd.at(-1)!, 0, 0)
    assert.notDeepEqual([...state.entriesOf(audience)], before)
  })
})
