import { Effect, Equal, Result, Schema } from "effect"
import { SqlSchema, type SqlClient } from "effect/sql"
import type { UserId } from "../contract/Account.ts"
import { ConversationId } from "../contract/Conversation.ts"
import { MessageId, MessageIdReused, type Draft, type Message } from "../contract/Message.ts"
import type { NewMessage } from "../contract/MessageLines.ts"
import {
  Forbidden,
  NotFound,
  ValidationFailed,
  type DatabaseUnavailable,
  type QuotaExceeded
} from "../contract/Problem.ts"
import { catchDatabaseErrors } from "../database/DatabaseErrors.ts"
import type { Usage } from "../usage/Usage.ts"
import { storedContent } from "./MessageRow.ts"
import type { Outbox } from "./Outbox.ts"
import { maxSends, type Outcome, type Send } from "./SendStatement.ts"

/** A message that the log has; `created` tells whether this very send put it there. */
export interface Sent {
  readonly message: Message
  readonly created: boolean
}

export type SendProblem =
  | NotFound
  | Forbidden
  | MessageIdReused
  | ValidationFailed
  | QuotaExceeded
  | DatabaseUnavailable

/** The first of some sends that one statement can write: none has the id of an earlier one or replies to it. */
const independentOf = (sends: ReadonlyArray<Send>): ReadonlyArray<Send> => {
  const ids = new Set<MessageId>()
  for (const { id, replyTo } of sends) {
    if (ids.size === maxSends || ids.has(id) || (replyTo !== undefined && ids.has(replyTo))) break
    ids.add(id)
  }
  return sends.slice(0, ids.size)
}

/** How messages are sent: within the quotas of their sender, and each with an answer of its own. */
export const messageSends = (sql: SqlClient.SqlClient, outbox: Outbox["Service"], usage: Usage["Service"]) => {
  // By the primary key of message_versions.
  const findFirstContent = SqlSchema.findAll({
    Request: Schema.Struct({ conversationId: ConversationId, id: MessageId }),
    Result: Schema.Struct({ content: Schema.String }),
    execute: ({ conversationId, id }) => sql`
      SELECT content FROM message_versions WHERE conversation_id = ${conversationId} AND message_id = ${id}
      ORDER BY version LIMIT 1`
  })

  /** The content of a message as it was sent; `undefined` once it is erased. */
  const sentContent = Effect.fnUntraced(function* ({ content, conversationId, deletedAt, editedAt, id }: Message) {
    if (deletedAt !== null) return undefined
    if (editedAt === null) return content
    return (yield* findFirstContent({ conversationId, id }))[0]?.content
  }, catchDatabaseErrors)

  // By chat_messages_id_key.
  const findStored = (ids: ReadonlyArray<MessageId>) =>
    Effect.map(
      sql<{ readonly id: MessageId }>`SELECT id FROM chat_messages WHERE id = ANY(${ids}::uuid[])`,
      (rows) => new Set(rows.map(({ id }) => id))
    ).pipe(catchDatabaseErrors)

  const bytesOf = ({ content }: Send) => Buffer.byteLength(storedContent(content))

  /** A message that exists can be sent again at any time, since that stores nothing new. */
  const append = (send: Send) => {
    const appended = outbox.append(send)
    return appended.pipe(
      usage.sending(send.senderId, bytesOf(send)),
      Effect.catchTag("QuotaExceeded", (error) =>
        Effect.flatMap(findStored([send.id]), ({ size }): Effect.Effect<Outcome, QuotaExceeded | DatabaseUnavailable> =>
          size > 0 ? appended : Effect.fail(error)
        )
      )
    )
  }

  /** The result of a send, by the outcome that its statement had for it. */
  const judge = Effect.fnUntraced(function* (
    { content, conversationId, messageType, replyTo, senderId }: Send,
    { created, isParticipant, message }: Outcome
  ): Effect.fn.Return<Sent, Exclude<SendProblem, QuotaExceeded>> {
    if (!isParticipant) return yield* new NotFound({ detail: "There is no such conversation." })
    if (message === undefined) {
      return yield* new ValidationFailed({
        errors: [{ path: ["payload", "replyTo"], message: "must be a message of this conversation" }]
      })
    }
    if (created) return { message, created }
    if (message.conversationId === conversationId && message.senderId !== senderId) {
      return yield* new Forbidden({ detail: "This message is somebody else's." })
    }
    const sent = yield* sentContent(message)
    const isSame =
      message.conversationId === conversationId &&
      message.messageType === messageType &&
      message.replyTo === (replyTo ?? null) &&
      (sent === undefined || Equal.equals(sent, content))
    if (!isSame) {
      return yield* new MessageIdReused({ detail: "This id was given to another message: choose a new one." })
    }
    return { message, created }
  })

  // Untraced, since a span would be a few hundredths of a send. `Outbox.deliver` and the request have spans.
  const send = (senderId: UserId, conversationId: ConversationId, id: MessageId, draft: Draft) => {
    const send = { ...draft, conversationId, id, senderId }
    return Effect.flatMap(append(send), (outcome) => judge(send, outcome))
  }

  /** The outcomes of sends beyond the quota: those that are stored are sent again. */
  const sendBeyondQuota = Effect.fnUntraced(function* (sends: ReadonlyArray<Send>, problem: QuotaExceeded) {
    const stored = yield* findStored(sends.map(({ id }) => id))
    return yield* Effect.forEach(sends, (send): Effect.Effect<Result.Result<Sent, SendProblem>> =>
      stored.has(send.id)
        ? Effect.result(Effect.flatMap(outbox.append(send), (outcome) => judge(send, outcome)))
        : Effect.succeed(Result.fail(problem))
    )
  })

  const sendAll = Effect.fn("Messages.sendAll")(function* (
    senderId: UserId,
    conversationId: ConversationId,
    drafts: ReadonlyArray<NewMessage>
  ) {
    const sends = drafts.map((draft): Send => ({ ...draft, conversationId, senderId }))
    const results: Array<Result.Result<Sent, SendProblem>> = []
    while (results.length < sends.length) {
      const rest = sends.slice(results.length)
      const batch = independentOf(rest)
      const appended = yield* Effect.result(
        usage.sendingSome(senderId, batch.map(bytesOf))((count) => outbox.appendAll(batch.slice(0, count)))
      )
      const endAll = (problem: SendProblem) => results.push(...rest.map(() => Result.fail(problem)))
      if (Result.isFailure(appended)) {
        const problem = appended.failure
        if (problem._tag !== "QuotaExceeded") endAll(problem)
        else {
          const beyond = yield* Effect.result(sendBeyondQuota(rest, problem))
          if (Result.isSuccess(beyond)) results.push(...beyond.success)
          else endAll(beyond.failure)
        }
        continue
      }
      for (const [index, outcome] of appended.success.entries()) {
        const send = batch[index]
        if (send !== undefined) results.push(yield* Effect.result(judge(send, outcome)))
      }
    }
    return results
  })

  return { send, sendAll }
}
