import type { Api } from "./Api.ts"
import { isRefusal, isSignedOut, type Problem, ProblemError } from "./Errors.ts"
import type { Draft, Message } from "./operations.ts"
import { Backoff, type Network } from "./Retry.ts"
import type { Change, Storage } from "./Storage.ts"

/** A message that is on its way or that the server has refused. */
export interface Outgoing {
  /** The id of every attempt, by which the server recognises the message. */
  readonly id: string
  readonly conversationId: string
  readonly draft: Draft
  /** The time of the call of `send`, by the client's clock (ISO 8601). */
  readonly createdAt: string
  /** `pending` until the server has the message, or `failed` once the server has refused it. */
  readonly status: "pending" | "failed"
  /** The problem with which the server answered the last attempt, if it did. */
  readonly problem: Problem | undefined
}

/** A message that the client has accepted for sending. */
export interface Sending {
  readonly id: string
  /**
   * Resolves once the storage has the message. From then on, neither a reload nor a crash loses it. Rejects if the storage
   * fails, and the message is sent all the same.
   */
  readonly stored: Promise<void>
  /**
   * Resolves with the message once the server has it. Rejects with a `ProblemError` if the server refuses it, and with an
   * `AbortError` after `discard`.
   */
  readonly sent: Promise<Message>
}

interface Entry extends Sending {
  readonly outgoing: Outgoing
  order: number
  readonly resolve: (message: Message) => void
  readonly reject: (error: unknown) => void
}

/** The messages of one conversation, in order. */
interface Queue {
  entries: ReadonlyArray<Entry>
  shown: ReadonlyArray<Outgoing>
  isRunning: boolean
  /** Ends the attempt or the pause of the first message. */
  attempt: AbortController | undefined
}

/** The part of a conversation that the outbox uses. */
interface Target {
  readonly loaded: Promise<void>
  /** Puts a message of an answer among the messages, and calls {@link Outbox.arrived}. */
  readonly accept: (message: Message) => void
  readonly outgoingChanged: () => void
}

export interface OutboxOptions {
  readonly api: Api
  readonly storage: Storage
  readonly network: Network
  readonly signal: AbortSignal
  readonly report: (error: unknown) => void
  readonly conversation: (id: string) => Target
}

/** The milliseconds without an answer after which an attempt ends. The next attempt has the same id. */
const patience = 30_000

const prefix = "outbox/"

/** `Promise.withResolvers`, which Node 20 lacks. */
const openPromise = <A>() => {
  let settle: Pick<Entry, "reject"> & { readonly resolve: (value: A) => void } = { resolve: () => {}, reject: () => {} }
  const promise = new Promise<A>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}

const keyOf = ({ conversationId, id }: Outgoing) => `${prefix}${conversationId}/${id}`

/**
 * Sends messages until the server has them. The messages of a conversation go one after the other, so that none overtakes an
 * earlier one that may still arrive. Every attempt has the message's id, which the server accepts once, so that none is doubled.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #queues = new Map<string, Queue>()
  readonly #loaded: Promise<void>
  /** The order of the messages. It increases whatever the clock does, and lasts over restarts. */
  #order = 0

  constructor(options: OutboxOptions) {
    this.#options = options
    options.signal.addEventListener("abort", () => this.#queues.forEach((queue) => queue.attempt?.abort()))
    this.#loaded = this.#load()
  }

  /** Returns the unsent messages of a conversation in their order. */
  of(conversationId: string): ReadonlyArray<Outgoing> {
    return this.#queue(conversationId).shown
  }

  send(conversationId: string, draft: Draft): Sending {
    const id = crypto.randomUUID()
    const createdAt = new Date().toISOString()
    return this.#enqueue({ id, conversationId, draft, createdAt, status: "pending", problem: undefined })
  }

  /** Sends a failed message again, behind all others. Its id stays the same, unless the id was the problem. */
  resend(conversationId: string, id: string, draft?: Draft): Sending {
    const entry = this.#queue(conversationId).entries.find((entry) => entry.id === id)
    if (entry?.outgoing.status !== "failed") throw new Error("Only a message that has failed can be sent again.")
    const { outgoing } = entry
    const next: Outgoing = {
      ...outgoing,
      id: outgoing.problem?.type === "MessageIdReused" ? crypto.randomUUID() : id,
      draft: draft ?? outgoing.draft,
      status: "pending",
      problem: undefined
    }
    this.#remove(conversationId, [entry])
    return this.#enqueue(next, next.id === id ? [] : [[keyOf(outgoing), undefined]])
  }

  /** Removes a message. If an attempt is on its way, the message may still arrive. */
  async discard(conversationId: string, id: string): Promise<void> {
    const entry = this.#queue(conversationId).entries.find((entry) => entry.id === id)
    if (entry === undefined) return
    this.#remove(conversationId, [entry])
    entry.reject(new DOMException("The message was discarded.", "AbortError"))
    this.#options.conversation(conversationId).outgoingChanged()
    await entry.stored.catch(() => {})
    await this.#write([[keyOf(entry.outgoing), undefined]])
  }

  /**
   * Removes messages that the server has, and returns the changes of the storage. The caller has put the messages into its copy,
   * and writes both at once.
   */
  arrived(conversationId: string, messages: ReadonlyArray<Message>): ReadonlyArray<Change> {
    const { entries } = this.#queue(conversationId)
    if (entries.length === 0) return []
    const arrived = new Map(messages.map((message) => [message.id, message]))
    const done = entries.filter(({ id }) => arrived.has(id))
    this.#remove(conversationId, done)
    return done.map(({ id, outgoing, resolve }) => {
      const message = arrived.get(id)
      if (message !== undefined) resolve(message)
      return [keyOf(outgoing), undefined]
    })
  }

  /** Removes all messages from the memory. */
  clear(): void {
    for (const [conversationId, { entries }] of this.#queues) {
      this.#remove(conversationId, entries)
      this.#options.conversation(conversationId).outgoingChanged()
    }
  }

  #queue(conversationId: string): Queue {
    const known = this.#queues.get(conversationId)
    if (known !== undefined) return known
    const queue: Queue = { entries: [], shown: [], isRunning: false, attempt: undefined }
    this.#queues.set(conversationId, queue)
    return queue
  }

  #set(conversationId: string, entries: ReadonlyArray<Entry>): void {
    const queue = this.#queue(conversationId)
    queue.entries = entries
    queue.shown = entries.map(({ outgoing }) => outgoing)
  }

  #remove(conversationId: string, gone: ReadonlyArray<Entry>): void {
    if (gone.length === 0) return
    const queue = this.#queue(conversationId)
    const first = queue.entries.find(({ outgoing }) => outgoing.status === "pending")
    this.#set(
      conversationId,
      queue.entries.filter((entry) => !gone.includes(entry))
    )
    if (first !== undefined && gone.includes(first)) queue.attempt?.abort()
  }

  #enqueue(outgoing: Outgoing, changes: ReadonlyArray<Change> = []): Sending {
    const { conversationId, id } = outgoing
    const { promise: sent, reject, resolve } = openPromise<Message>()
    // A program may ignore this promise, because the conversation shows the problem too.
    sent.catch(() => {})
    // Messages of an earlier run, which the storage may still be reading, go first.
    const stored = this.#loaded.then(() => {
      const { entries } = this.#queue(conversationId)
      const entry = entries.find((entry) => entry.id === id)
      return entry === undefined ? undefined : this.#options.storage.write([...changes, this.#keep(entry)])
    })
    stored.catch(this.#options.report)
    const entry = { id, outgoing, order: (this.#order += 1), stored, sent, resolve, reject }
    this.#set(conversationId, [...this.#queue(conversationId).entries, entry])
    this.#options.conversation(conversationId).outgoingChanged()
    void this.#loaded.then(() => this.#run(conversationId))
    return { id, stored, sent }
  }

  #keep({ order, outgoing }: Entry): Change {
    return [keyOf(outgoing), { order, outgoing }]
  }

  async #write(changes: ReadonlyArray<Change>): Promise<void> {
    try {
      await this.#options.storage.write(changes)
    } catch (error) {
      this.#options.report(error)
    }
  }

  async #load(): Promise<void> {
    try {
      const stored = (await this.#options.storage.read(prefix)).map(
        ([, value]) => value as Pick<Entry, "order" | "outgoing">
      )
      const last = Math.max(0, ...stored.map(({ order }) => order))
      const conversationIds = new Set(stored.map(({ outgoing }) => outgoing.conversationId))
      this.#order += last
      for (const [conversationId, { entries }] of this.#queues) {
        this.#set(
          conversationId,
          entries.map((entry) => Object.assign(entry, { order: entry.order + last }))
        )
      }
      for (const conversationId of conversationIds) {
        const earlier = stored
          .filter(({ outgoing }) => outgoing.conversationId === conversationId)
          .sort((a, b) => a.order - b.order)
          .map(({ order, outgoing }) => {
            const { promise: sent, reject, resolve } = openPromise<Message>()
            sent.catch(() => {})
            return { id: outgoing.id, outgoing, order, stored: Promise.resolve(), sent, resolve, reject }
          })
        this.#set(conversationId, [...earlier, ...this.#queue(conversationId).entries])
        this.#options.conversation(conversationId).outgoingChanged()
      }
      for (const conversationId of conversationIds) void this.#run(conversationId)
    } catch (error) {
      this.#options.report(error)
    }
  }

  /** Changes the state of a message. */
  #amend(conversationId: string, entry: Entry, change: Pick<Outgoing, "status" | "problem">): void {
    const amended = { ...entry, outgoing: { ...entry.outgoing, ...change } }
    this.#set(
      conversationId,
      this.#queue(conversationId).entries.map((other) => (other.id === entry.id ? amended : other))
    )
    this.#options.conversation(conversationId).outgoingChanged()
    if (change.status === "failed") void this.#write([this.#keep(amended)])
  }

  async #run(conversationId: string): Promise<void> {
    const queue = this.#queue(conversationId)
    if (queue.isRunning) return
    queue.isRunning = true
    const { api, conversation, network, signal } = this.#options
    const backoff = new Backoff()
    for (;;) {
      const entry = queue.entries.find(({ outgoing }) => outgoing.status === "pending")
      if (entry === undefined || signal.aborted) break
      const attempt = new AbortController()
      queue.attempt = attempt
      const { epoch } = network
      await entry.stored.catch(() => {})
      const timer = setTimeout(() => attempt.abort(), patience)
      try {
        const input = { id: conversationId, messageId: entry.id, body: entry.outgoing.draft }
        const message = await api.messages.send(input, { signal: attempt.signal })
        const target = conversation(conversationId)
        await target.loaded
        target.accept(message)
        backoff.reset()
      } catch (error) {
        const isWanted = queue.entries.some(({ id }) => id === entry.id)
        const problem = error instanceof ProblemError ? error.problem : undefined
        if (!isWanted || signal.aborted) continue
        if (isRefusal(error)) {
          this.#amend(conversationId, entry, { status: "failed", problem })
          entry.reject(error)
        } else {
          this.#amend(conversationId, entry, { status: "pending", problem })
          const pause = new AbortController()
          queue.attempt = pause
          await network.pause(isSignedOut(error) ? Infinity : backoff.after(error), error, pause.signal, epoch)
        }
      } finally {
        clearTimeout(timer)
      }
    }
    queue.isRunning = false
  }
}
