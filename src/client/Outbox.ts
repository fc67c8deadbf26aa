import type { Api } from "./Api.ts"
import { isRefusal, isSignedOut, type Problem, ProblemError } from "./Errors.ts"
import type { Draft, Message } from "./operations.ts"
import { Backoff, type Network } from "./Retry.ts"
import type { Change, Storage } from "./Storage.ts"

/** A message that is on its way, or that the server has refused. */
export interface Outgoing {
  /** The message's id from the first attempt to the last, by which the server knows it again. */
  readonly id: string
  readonly conversationId: string
  readonly draft: Draft
  readonly createdAt: string
  /** `pending` until it is sent; `failed` once the server has refused it, which stops this message alone. */
  readonly status: "pending" | "failed"
  /** The problem of the last attempt. */
  readonly problem: Problem | undefined
}

/** A message that was handed over for sending. */
export interface Sending {
  readonly id: string
  /**
   * Resolves once the storage has it: from then on, neither a reload nor a crash loses it. Rejects if the storage fails; the
   * message is sent all the same.
   */
  readonly stored: Promise<void>
  /** Resolves with the message once the server has it; rejects with a `ProblemError` if the server refuses it. */
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

/** What the outbox needs of a conversation. */
interface Target {
  readonly loaded: Promise<void>
  /** Puts a message that the server has answered with, as {@link Outbox.arrived} does with those of a stream. */
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

/** An attempt without an answer for so long is given up. It is made again with the same id. */
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
 * Sends messages until the server has them. In a conversation they go one after the other, so that none overtakes an earlier
 * one that may still arrive. Each has its id from the beginning, and the server takes an id once, so that no attempt doubles one.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #queues = new Map<string, Queue>()
  readonly #loaded: Promise<void>
  /** Increases, whatever the clock does: the order in which messages of an earlier run go. */
  #order = 0

  constructor(options: OutboxOptions) {
    this.#options = options
    options.signal.addEventListener("abort", () => this.#queues.forEach((queue) => queue.attempt?.abort()))
    this.#loaded = this.#load()
  }

  /** The messages of a conversation that are not sent yet, in their order. */
  of(conversationId: string): ReadonlyArray<Outgoing> {
    return this.#queue(conversationId).shown
  }

  send(conversationId: string, draft: Draft): Sending {
    const id = crypto.randomUUID()
    const createdAt = new Date().toISOString()
    return this.#enqueue({ id, conversationId, draft, createdAt, status: "pending", problem: undefined })
  }

  /** Sends a message that has failed once more, last in order. The server knows it by its id, if that was not the problem. */
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

  /** Gives a message up. One whose attempt is on its way may arrive nevertheless. */
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
   * Takes out the messages that the server has, and returns how the storage changes: the caller, who has put them into its
   * copy, writes both at once.
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

  /** Forgets everything. */
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
    // A program need not wait for it: the conversation shows the problem, too.
    sent.catch(() => {})
    // Behind those of an earlier run, which the storage may still be reading.
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

  /** Replaces the entry of a message by one with this of its state. */
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
