import { Effect } from "effect"
import type { Direction } from "../../src/contract/Friend.ts"
import { Friends } from "../../src/friends/Friends.ts"
import type { TestUser } from "../../src/testing/index.ts"

export const ask = Effect.fnUntraced(function* (from: TestUser, to: TestUser, message?: string) {
  return yield* (yield* Friends).ask(from.id, { to: to.id, ...(message === undefined ? {} : { message }) })
})

export const befriend = Effect.fnUntraced(function* (one: TestUser, other: TestUser) {
  yield* ask(one, other)
  yield* ask(other, one)
})

export const requests = Effect.fnUntraced(function* ({ id }: TestUser, direction: Direction) {
  return (yield* (yield* Friends).requests(id, direction, 50, undefined)).items
})

export const friends = Effect.fnUntraced(function* ({ id }: TestUser) {
  return (yield* (yield* Friends).list(id, 50, undefined)).items
})
