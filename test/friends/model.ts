import { Arbitrary, Schema } from "effect"

/** Three people, by their number. */
export type Person = 0 | 1 | 2
export const everybody: ReadonlyArray<Person> = [0, 1, 2]

/** The acts, listed as often as each is to be tried. "Time" lets the time pass for which a decline holds. */
const deeds: ReadonlyArray<Act["deed"]> = [
  "Ask",
  "Ask",
  "Ask",
  "Accept",
  "Decline",
  "Decline",
  "Withdraw",
  "Withdraw",
  "Remove",
  "Block",
  "Unblock",
  "Time"
]
/** Mostly two of them, so that much comes together. */
const pairs: ReadonlyArray<readonly [Person, Person]> = [
  [0, 1],
  [0, 1],
  [0, 1],
  [1, 0],
  [1, 0],
  [1, 0],
  [1, 2],
  [2, 1],
  [2, 0],
  [0, 2]
]

export interface Act {
  readonly deed: "Ask" | "Accept" | "Decline" | "Withdraw" | "Remove" | "Block" | "Unblock" | "Time"
  readonly by: Person
  readonly to: Person
}

const oneOf = <A>(choices: ReadonlyArray<A>) =>
  Arbitrary.map(
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: choices.length - 1 }))),
    (index) => choices[index]!
  )

/** Long enough for a request to be declined, withdrawn and sent again. */
export const anyActs = Arbitrary.array(
  Arbitrary.map(Arbitrary.all({ deed: oneOf(deeds), pair: oneOf(pairs) }), ({ deed, pair: [by, to] }): Act => ({
    deed,
    by,
    to
  })),
  { minLength: 20, maxLength: 40 }
)

/** The expected answer: its status, and the status of the request or the type of the error. */
export type Outcome = readonly [status: number, says?: string]

/** A person's lists of the others. */
export interface Picture {
  readonly friends: ReadonlyArray<Person>
  readonly incoming: ReadonlyArray<Person>
  readonly outgoing: ReadonlyArray<Person>
  readonly blocks: ReadonlyArray<Person>
}

/** The state of one person towards another. */
interface Side {
  /** They see their own open request. */
  asks: boolean
  /** The other person sees it, too. */
  reaches: boolean
  /** The other person has recently declined, so a new request does not reach them. */
  isDeclined: boolean
  blocks: boolean
}

const accepted: Outcome = [200, "accepted"]
const pending: Outcome = [200, "pending"]
const done: Outcome = [204]
const forbidden: Outcome = [403, "Forbidden"]
const missing: Outcome = [404, "NotFound"]

/**
 * Friendship as people understand it: each has their own side, two sides make a pair. Knows nothing of how it is stored.
 */
export class Model {
  private readonly sides = new Map<string, Side>()
  private readonly friends = new Set<string>()
  /** The sender of the last request of each pair. */
  private readonly senders = new Map<string, Person>()
  /** The pairs that have a conversation. */
  readonly conversations = new Set<string>()

  private side(by: Person, to: Person): Side {
    const key = `${by} to ${to}`
    const side = this.sides.get(key) ?? { asks: false, reaches: false, isDeclined: false, blocks: false }
    this.sides.set(key, side)
    return side
  }

  static pair(a: Person, b: Person): string {
    return [a, b].sort().join()
  }

  /** The sender of the last request between two people. */
  sender(a: Person, b: Person): Person | undefined {
    return this.senders.get(Model.pair(a, b))
  }

  picture(person: Person): Picture {
    const others = everybody.filter((other) => other !== person)
    return {
      friends: others.filter((other) => this.friends.has(Model.pair(person, other))),
      incoming: others.filter((other) => this.side(other, person).reaches),
      outgoing: others.filter((other) => this.side(person, other).asks),
      blocks: others.filter((other) => this.side(person, other).blocks)
    }
  }

  /** Performs an act, and returns the expected answer. */
  act({ by, deed, to }: Act): Outcome | undefined {
    const pair = Model.pair(by, to)
    const [own, others] = [this.side(by, to), this.side(to, by)]
    const areFriends = this.friends.has(pair)
    const makeFriends = () => {
      for (const side of [own, others]) Object.assign(side, { asks: false, reaches: false, isDeclined: false })
      this.friends.add(pair)
      this.conversations.add(pair)
      return accepted
    }
    switch (deed) {
      case "Ask": {
        if (own.blocks) return forbidden
        if (areFriends) return accepted
        if (others.asks) return makeFriends()
        const isNew = !own.asks
        own.asks = true
        own.reaches ||= !others.blocks && !own.isDeclined
        if (own.reaches) own.isDeclined = false
        if (!isNew) return pending
        // A person who asks takes back their own decline.
        others.isDeclined = false
        this.senders.set(pair, by)
        return [201, "pending"]
      }
      case "Accept":
      case "Decline": {
        const sender = this.sender(by, to)
        if (sender === undefined || (!areFriends && !this.side(sender, sender === by ? to : by).asks)) return missing
        if (sender === by) return forbidden
        if (areFriends) return deed === "Accept" ? accepted : forbidden
        if (deed === "Accept") return own.blocks ? forbidden : makeFriends()
        if (others.reaches) Object.assign(others, { reaches: false, isDeclined: true })
        return [200, "rejected"]
      }
      case "Withdraw": {
        const sender = this.sender(by, to)
        if (sender === undefined) return missing
        if (areFriends) return forbidden
        if (sender === to) return others.reaches ? forbidden : missing
        Object.assign(own, { asks: false, reaches: false })
        return done
      }
      case "Remove":
        this.friends.delete(pair)
        return done
      case "Block":
        own.blocks = true
        this.friends.delete(pair)
        Object.assign(own, { asks: false, reaches: false })
        others.reaches = false
        return done
      case "Unblock":
        own.blocks = false
        return done
      case "Time":
        own.isDeclined = false
        others.isDeclined = false
        return undefined
    }
  }
}
