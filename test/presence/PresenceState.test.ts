import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { UserId } from "../../src/contract/Account.ts"
import { ConversationId } from "../../src/contract/Conversation.ts"
import { PresenceState, type PresenceViewer } from "../../src/presence/PresenceState.ts"
import type { PresenceAudience, PresencePage } from "../../src/contract/PresencePage.ts"

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
      // Two come to see each other, or do no more: the circle of the first is read again.
      Schema.TaggedStruct("Meet", { who: Person, whom: Person }),
      // Somebody joins a conversation, or leaves it.
      Schema.TaggedStruct("Move", { who: Person, where: Conversation }),
      Schema.TaggedStruct("Watch", { who: Person }),
      Schema.TaggedStruct("Unwatch", { which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })) })
    ])
  ),
  { minLength: 30, maxLength: 100 }
)

/** What is shown of a page: who is offline and where nobody types is as if not named. */
interface Shown {
  readonly online: ReadonlyArray<string>
  readonly typing: ReadonlyArray<readonly [conversation: string, typers: ReadonlyArray<string>]>
}

const shownBy = ({ people, typing }: PresencePage): Shown => ({
  online: Object.entries(people).flatMap(([id, { status }]) => (status === "online" ? [id] : [])),
  typing: Object.entries(typing).filter(([, typers]) => typers.length > 0)
})

/** What a device shows: what it was told, one over the other. */
class Copy {
  readonly look: PresenceViewer
  readonly who: number
  private page: PresencePage

  constructor(look: PresenceViewer, who: number, page: PresencePage) {
    this.look = look
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

/** Everything written down in the plainest way, and looked up anew each time. */
class Model {
  now = 0
  readonly here = new Map<number, number>()
  readonly typing = new Map<string, number>()
  readonly meets = new Set<string>()
  readonly takesPart = new Set<string>()

  pair = (a: number, b: number) => `${Math.min(a, b)} ${Math.max(a, b)}`

  circleOf(who: number): PresenceAudience {
    return {
      people: new Set(people.filter((_, whom) => this.meets.has(this.pair(who, whom)))),
      conversations: new Set(conversations.filter((_, where) => this.takesPart.has(`${who} ${where}`)))
    }
  }

  shownTo(who: number): Shown {
    const { conversations: mine, people: seen } = this.circleOf(who)
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

describe("Board", () => {
  it.prop(
    "tells everybody all that they may see and nothing else, whoever comes, goes, types, meets and parts",
    [anyActs],
    ([acts]) => {
      const board = new PresenceState()
      const model = new Model()
      const copies: Array<Copy> = []
      const woken = new Set<PresenceViewer>()

      for (const act of acts) {
        const before = copies.map(({ who }) => JSON.stringify(model.shownTo(who)))
        woken.clear()
        switch (act._tag) {
          case "Here":
            model.here.set(act.who, model.now + act.millis)
            board.setHere(people[act.who]!, model.now + act.millis, model.now)
            break
          case "Types":
            model.typing.set(`${act.who} ${act.where}`, model.now + act.millis)
            board.setTyping(conversations[act.where]!, people[act.who]!, model.now + act.millis, model.now)
            break
          case "PassTime":
            model.now += act.millis
            board.tick(model.now)
            break
          case "Meet":
            if (act.who === act.whom) continue
            toggle(model.meets, model.pair(act.who, act.whom))
            board.setCircle(people[act.who]!, model.circleOf(act.who), model.now)
            break
          case "Move":
            toggle(model.takesPart, `${act.who} ${act.where}`)
            board.setCircle(people[act.who]!, model.circleOf(act.who), model.now)
            break
          case "Watch": {
            const look: PresenceViewer = board.addViewer(people[act.who]!, () => void woken.add(look))
            board.setCircle(people[act.who]!, model.circleOf(act.who), model.now)
            copies.push(new Copy(look, act.who, board.whole(look)))
            woken.clear()
            break
          }
          case "Unwatch": {
            const [copy] = copies.splice(act.which, 1)
            if (copy !== undefined) board.unwatch(copy.look)
            continue
          }
        }
        copies.forEach((copy, index) => {
          const expected = model.shownTo(copy.who)
          const isNews = before[index] !== undefined && before[index] !== JSON.stringify(expected)
          const change = board.changes(copy.look)
          assert.strictEqual(change !== undefined, isNews, `${act._tag} is told ${copy.who}`)
          assert.strictEqual(woken.has(copy.look), isNews)
          if (change !== undefined) copy.take(change)
          assert.deepStrictEqual(copy.shown, expected)
          assert.deepStrictEqual(shownBy(board.snapshot(model.circleOf(copy.who))), expected)
        })
      }
      for (const { look } of copies) board.unwatch(look)
      assert.isFalse(board.hasViewers)
      for (const id of conversations) assert.deepStrictEqual(board.viewersOf(id), [])
    }
  )

  it("keeps what changed until it is looked at, each id once", () => {
    const board = new PresenceState()
    const [ada, grace] = [people[0]!, people[1]!]
    const look = board.addViewer(ada, () => {})
    board.setCircle(ada, { people: new Set([grace]), conversations: new Set(conversations) }, 0)
    for (let now = 0; now < 1_000; now += 10) {
      board.setHere(grace, now + 5, now)
      board.setTyping(conversations[0]!, grace, now + 5, now)
      board.tick(now + 5)
    }
    assert.deepStrictEqual([look.people.size, look.conversations.size], [1, 1])
    assert.deepStrictEqual(board.changes(look), {
      people: { [grace]: { status: "offline" } },
      typing: { [conversations[0]!]: [] }
    })
    assert.isUndefined(board.changes(look))
  })

  it("wakes who looks on when a change is complete, and once: who looks at once sees all of it", () => {
    const board = new PresenceState()
    const [ada, ...others] = people
    for (const other of others) {
      board.setHere(other, 10, 0)
      board.setTyping(conversations[0]!, other, 10, 0)
    }
    const seen: Array<PresencePage | undefined> = []
    const look: PresenceViewer = board.addViewer(ada!, () => void seen.push(board.changes(look)))
    board.setCircle(ada!, { people: new Set(others), conversations: new Set(conversations) }, 0)
    board.tick(10)
    const status = (status: string) => Object.fromEntries(others.map((other) => [other, { status }]))
    assert.deepStrictEqual(seen, [
      { people: status("online"), typing: { [conversations[0]!]: others } },
      { people: status("offline"), typing: { [conversations[0]!]: [] } }
    ] as never)
  })

  it("knows whose circle was read when", () => {
    const board = new PresenceState()
    const [ada, grace] = [people[0]!, people[1]!]
    board.addViewer(ada, () => {})
    board.addViewer(grace, () => {})
    // What has not been read yet is about to be.
    assert.deepStrictEqual(board.viewersReadBefore(100), [])
    const nobody: PresenceAudience = { people: new Set(), conversations: new Set() }
    board.setCircle(ada, nobody, 50)
    board.setCircle(grace, nobody, 60)
    assert.deepStrictEqual(board.viewersReadBefore(60), [ada])
    board.setCircle(ada, nobody, 70)
    assert.deepStrictEqual(board.viewersReadBefore(70), [grace])
  })
})
