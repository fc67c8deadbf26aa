import { Effect, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { UserId } from "../src/contract/Account.ts"
import { Position, type ConversationId, type NewGroup } from "../src/contract/Conversation.ts"
import { Conversations } from "../src/conversations/Conversations.ts"
import { MessageId, SystemContent, type Draft } from "../src/contract/Message.ts"
import { Messages } from "../src/messages/Messages.ts"
import { Search } from "../src/search/Search.ts"
import { signedIn, type TestUser } from "../src/testing/index.ts"

export const nobody = UserId.make("00000000-0000-4000-8000-000000000000")
export const newId = () => MessageId.make(randomUUID())
export const text = (content: string): Draft => ({ content, messageType: "text" })

/** Creates a person for each name. */
export const people = <const N extends ReadonlyArray<string>>(...names: N) =>
  Effect.map(
    Effect.forEach(names, () => signedIn(), { concurrency: "unbounded" }),
    (users) => users as { [K in keyof N]: TestUser }
  )

/** A group that the first of its people owns. */
export const groupOf = Effect.fnUntraced(function* (
  [owner, ...others]: readonly [TestUser, ...ReadonlyArray<TestUser>],
  group: Partial<NewGroup> = {}
) {
  const conversations = yield* Conversations
  return (yield* conversations.create(owner.id, { participantIds: others.map(({ id }) => id), ...group })).id
})

/** Sends a text, and gives the message. */
export const post = Effect.fnUntraced(function* (
  { id }: Pick<TestUser, "id">,
  conversationId: ConversationId,
  content: string
) {
  const messages = yield* Messages
  return (yield* messages.send(id, conversationId, newId(), text(content))).message
})

/** The messages that a person finds, on one page. */
export const findMessages = Effect.fnUntraced(function* (
  { id }: Pick<TestUser, "id">,
  query: string,
  conversationId?: ConversationId
) {
  return (yield* (yield* Search).search(id, { query, conversationId, limit: 200 })).messages
})

/** The tag of the typed error that a caller gets. */
export const refusal = <A, E extends { readonly _tag: string }, R>(attempt: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(attempt), ({ _tag }) => _tag)

/** The position of a conversation's last change, as a participant sees it. */
export const headOf = Effect.fnUntraced(function* ({ id }: Pick<TestUser, "id">, conversationId: ConversationId) {
  return (yield* (yield* Messages).view(id, conversationId)).head
})

/** The whole log. */
export const wholeLog = Effect.fnUntraced(function* (conversationId: ConversationId) {
  return yield* (yield* Messages).since(conversationId, Position.make(0), 10_000)
})

const isSystemContent = Schema.is(SystemContent)

/** The contents of a conversation's system messages, in order. */
export const systemMessages = Effect.fnUntraced(function* (conversationId: ConversationId) {
  return (yield* wholeLog(conversationId)).map(({ message }) => message.content).filter(isSystemContent)
})
