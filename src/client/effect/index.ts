import { Context, Data, Effect, Layer, Queue, Stream } from "effect"
import type { Api, CallOptions, Endpoint } from "../Api.ts"
import { type Client, type ClientOptions, createClient } from "../Client.ts"
import type { ConversationSnapshot, LiveConversation } from "../Conversation.ts"
import { ConnectionError, type Problem, ProblemError } from "../Errors.ts"
import type { Draft, InboxPage, Message, Operations, PresencePage } from "../operations.ts"
import type { ResourceSnapshot } from "../Resource.ts"

/** The server has answered with an error. `_tag` is the problem's `type`, so that `Effect.catchTag("NotFound", …)` handles it. */
export interface Refused<P extends Problem> extends Error {
  readonly _tag: P["type"]
  readonly problem: P
  /** The HTTP status of the answer. */
  readonly status: number
  /** The seconds to wait before the next attempt, if the server has set them. */
  readonly retryAfter: number | undefined
}

/** One error for each problem of an endpoint. */
export type RefusedWith<P> = P extends Problem ? Refused<P> : never

/** The server gave no complete answer. It may have carried out the request. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly cause: unknown }> {}

/** The message was discarded before the server had it. */
export class Discarded extends Data.TaggedError("Discarded")<{ readonly id: string }> {}

/** The problems of a send. */
export type SendProblem = Operations["messages"]["send"]["problem"]

type EffectOf<E> =
  E extends Endpoint<infer Input, infer Answer, infer P>
    ? {} extends Input
      ? (input?: Input) => Effect.Effect<Answer, RefusedWith<P> | NoAnswer>
      : (input: Input) => Effect.Effect<Answer, RefusedWith<P> | NoAnswer>
    : never

/** Every endpoint of the server as an effect. An interruption ends the request. */
export type EffectApi = {
  readonly [Group in keyof Api]: { readonly [Name in keyof Api[Group]]: EffectOf<Api[Group][Name]> }
}

const refusedOf = ({ message, problem, retryAfter, status }: ProblemError): Refused<Problem> =>
  Object.assign(new Error(message), { _tag: problem.type, problem, status, retryAfter })

/** Any other error is a defect of the program, such as an input that has no JSON. */
const errorOf = (error: unknown): Effect.Effect<never, Refused<Problem> | NoAnswer> => {
  if (error instanceof ProblemError) return Effect.fail(refusedOf(error))
  if (error instanceof ConnectionError) return Effect.fail(new NoAnswer({ cause: error.cause }))
  return Effect.die(error)
}

const attempt = <A>(call: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, Refused<Problem> | NoAnswer> =>
  Effect.tryPromise(call).pipe(Effect.catch(({ cause }) => errorOf(cause)))

type Call = (input: unknown, options: CallOptions) => Promise<unknown>

const apiOf = (api: Api): EffectApi =>
  Object.fromEntries(
    Object.entries(api).map(([group, calls]) => [
      group,
      Object.fromEntries(
        Object.entries<unknown>(calls).map(([name, call]) => [
          name,
          (input: unknown = {}) => attempt((signal) => (call as Call)(input, { signal }))
        ])
      )
    ])
  ) as unknown as EffectApi

/** The snapshots of a store, beginning with the present one. A slow reader gets the newest only. */
const snapshots = <S>(store: {
  readonly getSnapshot: () => S
  readonly subscribe: (listener: () => void) => () => void
}): Stream.Stream<S> =>
  Stream.callback<S>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const offer = () => void Queue.offerUnsafe(queue, store.getSnapshot())
          const leave = store.subscribe(offer)
          offer()
          return leave
        }),
        (leave) => Effect.sync(leave)
      ),
    { bufferSize: 1, strategy: "sliding" }
  )

/** A conversation. Its stream is open while something reads `snapshots`. */
export interface EffectConversation {
  readonly id: string
  readonly snapshots: Stream.Stream<ConversationSnapshot>
  /**
   * Sends a text or a draft, and waits until the server has the message. An interruption ends the wait, not the sending. Fails
   * only if the server refuses the message or `discard` removes it: the client repeats an attempt without an answer.
   */
  readonly send: (draft: string | Draft) => Effect.Effect<Message, RefusedWith<SendProblem> | Discarded>
  /** The plain conversation, for everything else. */
  readonly plain: LiveConversation
}

const conversationOf = (plain: LiveConversation): EffectConversation => ({
  id: plain.id,
  plain,
  snapshots: snapshots(plain),
  send: (draft) =>
    Effect.suspend(() => {
      const { id, sent } = plain.send(draft)
      return Effect.tryPromise({
        try: () => sent,
        catch: (error): RefusedWith<SendProblem> | Discarded =>
          error instanceof ProblemError ? (refusedOf(error) as RefusedWith<SendProblem>) : new Discarded({ id })
      })
    })
})

/** A client of one account as a service. */
export class ChatClient extends Context.Service<
  ChatClient,
  {
    readonly api: EffectApi
    readonly conversation: (id: string) => EffectConversation
    readonly inbox: Stream.Stream<ResourceSnapshot<InboxPage>>
    readonly presence: Stream.Stream<ResourceSnapshot<PresencePage>>
    /** The plain client, for everything else. */
    readonly plain: Client
  }
>()("xfchat/client/ChatClient") {
  /** Makes a client, and closes it with the layer. */
  static readonly layer = (options: ClientOptions): Layer.Layer<ChatClient> =>
    Layer.effect(
      ChatClient,
      Effect.acquireRelease(
        Effect.sync(() => createClient(options)),
        (client) => Effect.promise(() => client.close())
      ).pipe(
        Effect.map((plain) => ({
          api: apiOf(plain.api),
          conversation: (id: string) => conversationOf(plain.conversation(id)),
          inbox: snapshots(plain.inbox),
          presence: snapshots(plain.presence),
          plain
        }))
      )
    )
}
