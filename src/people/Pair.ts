import { Effect, Schema } from "effect"
import { Profile, type UserId } from "../contract/Account.ts"
import { Forbidden, NotFound } from "../contract/Problem.ts"
import {
  FriendRequest,
  maxOutgoingRequests,
  RequestId,
  RequestLimitReached,
  type RequestAnswer
} from "../contract/Friend.ts"

/**
 * The state of two people's last request, and what each of them sees:
 *
 * | status   | the sender sees         | the recipient sees |
 * |----------|-------------------------|--------------------|
 * | pending  | the request             | the request        |
 * | accepted | a friend                | a friend           |
 * | rejected | the request, as pending | nothing            |
 * | ended    | nothing                 | nothing            |
 *
 * To its sender, a declined request looks like an unanswered one, and so does a request to a person who blocks them. A repeated
 * request reaches a recipient who has declined once the time of {@link Request.isCooling} is over, and a recipient who had
 * blocked the sender once the block has ended; nothing else makes a rejected request visible to its recipient. While a block
 * holds, the only request between the two is one that the blocked person has sent, and it is rejected.
 */
export const Status = Schema.Literals(["pending", "accepted", "rejected", "ended"])
export type Status = typeof Status.Type

/** The pair's row, as the caller finds it. */
export const Request = Schema.Struct({
  id: RequestId,
  /** Whether the caller sent it. */
  isOwn: Schema.Boolean,
  status: Status,
  message: Schema.NullOr(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  /** Whether the recipient has declined it so recently that a repeated request does not reach them. */
  isCooling: Schema.Boolean
})
export type Request = typeof Request.Type

/** Two people, as one of them, the caller, finds them before acting. */
export const Pair = Schema.Struct({
  other: Schema.Struct(Profile.fields),
  request: Schema.NullOr(Request),
  /** Whether the caller blocks the other. */
  blocks: Schema.Boolean,
  /** Whether the other blocks the caller. No answer to the caller may depend on it. */
  isBlocked: Schema.Boolean,
  /** How many open requests the caller has. */
  outgoing: Schema.Int
})
export interface Pair extends Schema.Schema.Type<typeof Pair> {
  readonly caller: UserId
}

/** A change of the pair's row. */
export type Transition =
  | { readonly _tag: "Ask"; readonly status: Status; readonly message: string | null }
  | { readonly _tag: "Become"; readonly status: Status; readonly respondedAt: "now" | "kept" | "none" }

const become = (status: Status, respondedAt: "now" | "kept" | "none"): Transition => ({
  _tag: "Become",
  status,
  respondedAt
})

type Outcome<E> = Effect.Effect<Transition | undefined, E>

const blocked = new Forbidden({ detail: "You have blocked this person: unblock them first." })
const unknown = new NotFound({ detail: "There is no such request." })

/** Asks the other to be friends, or accepts the request that the other has sent. */
export const ask = (pair: Pair, message: string | null): Outcome<Forbidden | RequestLimitReached> => {
  const { isBlocked, request } = pair
  if (pair.blocks) return Effect.fail(blocked)
  if (request?.status === "accepted") return Effect.undefined
  const isRefused = isBlocked || (request?.isOwn === true && request.isCooling)
  if (request === null || request.status === "ended") {
    if (pair.outgoing >= maxOutgoingRequests) {
      return Effect.fail(
        new RequestLimitReached({ detail: `${maxOutgoingRequests} of your requests are open: withdraw one first.` })
      )
    }
    return Effect.succeed<Transition>({ _tag: "Ask", status: isRefused ? "rejected" : "pending", message })
  }
  if (!request.isOwn) return Effect.succeed(become("accepted", "now"))
  // Written even if nothing changes, so that the time of the answer does not reveal a refusal.
  return Effect.succeed(
    request.status === "rejected" && isRefused ? become("rejected", "kept") : become("pending", "none")
  )
}

/** Answers the other's request. A declined request can still be accepted until its sender withdraws it. */
export const answer = (
  { blocks, request }: Pair,
  id: RequestId,
  answer: RequestAnswer
): Outcome<Forbidden | NotFound> => {
  if (request?.id !== id || request.status === "ended") return Effect.fail(unknown)
  if (request.isOwn)
    return Effect.fail(new Forbidden({ detail: "You have sent this request: only its recipient can answer it." }))
  if (request.status === answer) return Effect.undefined
  if (request.status === "accepted") {
    return Effect.fail(new Forbidden({ detail: "This request was accepted: remove the friend instead." }))
  }
  return blocks ? Effect.fail(blocked) : Effect.succeed(become(answer, "now"))
}

/** Withdraws the caller's own request. The pair's row remembers that it was declined. */
export const withdraw = ({ request }: Pair, id: RequestId): Outcome<Forbidden | NotFound> => {
  if (request?.id !== id) return Effect.fail(unknown)
  if (request.status === "accepted") {
    return Effect.fail(new Forbidden({ detail: "This request was accepted: remove the friend instead." }))
  }
  if (!request.isOwn) {
    return Effect.fail(
      request.status === "pending"
        ? new Forbidden({ detail: "You have received this request: decline it instead of withdrawing it." })
        : unknown
    )
  }
  return Effect.succeed(request.status === "ended" ? undefined : become("ended", "kept"))
}

/** Ends a friendship. */
export const remove = ({ request }: Pair): Transition | undefined =>
  request?.status === "accepted" ? become("ended", "none") : undefined

/** Ends everything between the two. The other only sees that a friend, or a request of the caller's, is gone. */
export const block = ({ request }: Pair): Transition | undefined => {
  if (request === null || request.status === "ended") return undefined
  if (request.status === "accepted") return become("ended", "none")
  if (request.isOwn) return become("ended", "kept")
  return request.status === "pending" ? become("rejected", "none") : undefined
}

/** A request as one of the two sees it, by its status. */
const seen = (status: Status, isSender: boolean) => {
  if (status === "accepted") return "friend"
  if (status === "pending") return isSender ? "outgoing" : "incoming"
  return status === "rejected" && isSender ? "outgoing" : "nothing"
}

/** The ones of the two who see something different after a transition. */
export const seenBy = ({ caller, other, request }: Pair, move: Transition): ReadonlyArray<UserId> => {
  const before = request?.status ?? "ended"
  const isOwn = move._tag === "Ask" || request?.isOwn === true
  const changes = (isSender: boolean) => seen(before, isSender) !== seen(move.status, isSender)
  return [...(changes(isOwn) ? [caller] : []), ...(changes(!isOwn) ? [other.id] : [])]
}

/** A request as the caller sees it; `undefined` once it has ended. */
export const shown = ({ other }: Pair, { createdAt, id, isOwn, message, status }: Request): FriendRequest | undefined =>
  status === "ended"
    ? undefined
    : new FriendRequest({
        id,
        direction: isOwn ? "outgoing" : "incoming",
        status: isOwn && status === "rejected" ? "pending" : status,
        user: other,
        message,
        createdAt
      })
