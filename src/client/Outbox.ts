import type { Api } from "./Api.ts"
import { isRefusal, isSignedOut, ProblemError } from "./Errors.ts"
import type { Draft, Message } from "./operations.ts"
import type { Outgoing } from "./Outgoing.ts"
import { Backoff, type Network, sleep } from "./Retry.ts"
import type { Change, Storage } from "./Storage.ts"
import { damaged } from "./Store.ts"
import type { OutboxWord, Tabs } from "./Tabs.ts"

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
   * `AbortError` after `discard` and `client.clear`.
   */
  readonly sent: Promise<Message>
}

interface Entry extends Sending {
  readonly outgoing: Outgoing
  /** Infinite until the storage is read, because messages of an earlier run go first. */
  order: number
  /** Whether this run has made the message, so that it is surely one of the token's account. */
  readonly isOwn: boolean
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
  readonly tabs: Tabs
  readonly signal: AbortSignal
  readonly report: (error: unknown) => void
  readonly conversation: (id: string) => Target
}

/** The milliseconds without an answer after which an attempt ends. The next attempt has the same id. */
const patience = 30_000

/** The most messages in one request, and the most characters of its body, of up to three bytes each, unless it is of one message. */
const mostMessages = 256
const mostCharacters = 160_000

const prefix = "outbox/"

/** `Promise.withResolvers`, which Node 20 lacks. */
const openPromise = <A>() => {
  let settle: Pick<Entry, "reject"> & { readonly resolve: (value: A) => void } = { resolve: () => {}, reject: () => {} }
  const promise = new Promise<A>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle }
}

/** The order in which every tab shows messages. Two tabs may give two messages the same number. */
const inOrder = (left: Entry, right: Entry) => {
  if (left.order !== right.order) return left.order - right.order
  if (left.order === Infinity) return 0
  const [first, second] = [left, right].map(({ id, outgoing }) => outgoing.createdAt + id)
  return (first ?? "") < (second ?? "") ? -1 : 1
}

const keyOf = ({ conversationId, id }: Outgoing) => `${prefix}${conversationId}/${id}`

/**
 * Sends messages until the server has them. The messages of a conversation go one after the other, so that none overtakes an
 * earlier one that may still arrive. Every attempt has the message's id, which the server accepts once, so that none is doubled.
 * Each tab writes its messages to the storage, and tells the others. The leader sends the messages of all, and tells the results.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #queues = new Map<string, Queue>()
  readonly #loaded: Promise<void>
  readonly #reading = new Backoff()
  /** Whether the server takes several messages in one request, as far as is known. */
  #sendsMany = true
  /** The messages of this run that wait for the end of the first reading. */
  #early: Array<Entry> | undefined = []
  /** The order of the messages. It increases whatever the clock does, and lasts over restarts. */
  #order = 0

  constructor(options: OutboxOptions) {
    this.#options = options
    options.signal.addEventListener("abort", () => this.follow())
    this.#loaded = this.#load()
  }

  /** Sends the messages of all tabs, those included that a tab has written and not told because it has died. */
  lead(): void {
    void this.#loaded.then(() => this.#load())
  }

  /** Ends all attempts. Another tab sends from now on, or the client is closed. */
  follow(): void {
    this.#queues.forEach((queue) => queue.attempt?.abort())
  }

  /** Receives news from another tab. */
  hear(word: OutboxWord): void {
    if (word.kind === "put") this.#put(word.outgoing, word.order)
    if (word.kind === "discard") void this.#drop(word.conversationId, word.id)
    if (word.kind === "arrived") {
      const target = this.#options.conversation(word.conversationId)
      void target.loaded.then(() => target.accept(word.message))
    }
  }

  /** Returns the unsent messages of a conversation in their order. */
  of(conversationId: string): ReadonlyArray<Outgoing> {
    return this.#queue(conversationId).shown
  }

  send(conversationId: string, draft: Draft): Sending {
    const id = crypto.randomUUID()
    const createdAt = new Date().toISOString()
    return this.#enqueue({ id, conversationId, draft, createdAt, status: "pending", problem: undefined }, true)
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
    if (next.id !== id) this.#options.tabs.post({ kind: "discard", conversationId, id })
    return this.#enqueue(next, entry.isOwn, next.id === id ? [] : [[keyOf(outgoing), undefined]])
  }

  /** Removes a message. If an attempt is on its way, the message may still arrive. */
  async discard(conversationId: string, id: string): Promise<void> {
    const { tabs } = this.#options
    if (!tabs.isLeader) tabs.post({ kind: "discard", conversationId, id })
    await this.#drop(conversationId, id)
  }

  async #drop(conversationId: string, id: string): Promise<void> {
    const entry = this.#queue(conversationId).entries.find((entry) => entry.id === id)
    // The leader answers, because what it has told meanwhile may have brought the message back.
    const { conversation, tabs } = this.#options
    if (tabs.isLeader) tabs.post({ kind: "discard", conversationId, id })
    if (entry === undefined) return
    this.#remove(conversationId, [entry])
    entry.reject(new DOMException("The message was discarded.", "AbortError"))
    conversation(conversationId).outgoingChanged()
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
    const { tabs } = this.#options
    return done.flatMap(({ id, outgoing, resolve }): ReadonlyArray<Change> => {
      const message = arrived.get(id)
      if (message !== undefined) resolve(message)
      if (!tabs.isLeader) return []
      if (message !== undefined) tabs.post({ kind: "arrived", conversationId, message })
      return [[keyOf(outgoing), undefined]]
    })
  }

  /** Removes all messages from the memory. */
  clear(): void {
    this.#clear(() => true)
  }

  /** Removes the messages that another account may have left, and returns the keys of the others in the storage. */
  disown(): ReadonlySet<string> {
    this.#clear(({ isOwn }) => !isOwn)
    return new Set([...this.#queues.values()].flatMap(({ shown }) => shown.map(keyOf)))
  }

  #clear(isGone: (entry: Entry) => boolean): void {
    for (const [conversationId, { entries }] of this.#queues) {
      const gone = entries.filter(isGone)
      this.#remove(conversationId, gone)
      for (const { reject } of gone) reject(new DOMException("The outbox was emptied.", "AbortError"))
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
    queue.entries = entries.toSorted(inOrder)
    queue.shown = queue.entries.map(({ outgoing }) => outgoing)
  }

  #remove(conversationId: string, gone: ReadonlyArray<Entry>): void {
    if (gone.length === 0) return
    const queue = this.#queue(conversationId)
    const first = queue.entries.find(({ outgoing }) => outgoing.status === "pending")
    this.#set(
      conversationId,
      queue.entries.filter((entry) => !gone.includes(entry))
    )
    this.#early = this.#early?.filter((entry) => !gone.includes(entry))
    if (first !== undefined && gone.includes(first)) queue.attempt?.abort()
  }

  #enqueue(outgoing: Outgoing, isOwn: boolean, changes: ReadonlyArray<Change> = []): Sending {
    const { conversationId, id } = outgoing
    const find = () => this.#queue(conversationId).entries.find((entry) => entry.id === id)
    const stored = this.#loaded.then(() => {
      const entry = find()
      return entry === undefined ? undefined : this.#options.storage.write([...changes, this.#keep(entry)])
    })
    stored.catch(this.#options.report)
    const order = this.#early === undefined ? (this.#order += 1) : Infinity
    const entry = this.#add(outgoing, order, stored, isOwn)
    this.#early?.push(entry)
    this.#options.conversation(conversationId).outgoingChanged()
    const tell = () => {
      // If the tab dies before this, the leader finds the message in the storage.
      const kept = find()
      if (kept !== undefined) this.#tell(kept)
    }
    stored.then(tell, tell)
    void this.#loaded.then(() => this.#run(conversationId))
    return { id, stored, sent: entry.sent }
  }

  #add(outgoing: Outgoing, order: number, stored: Promise<void>, isOwn = false): Entry {
    const { conversationId, id } = outgoing
    const { promise: sent, reject, resolve } = openPromise<Message>()
    // A program may ignore this promise, because the conversation shows the problem too.
    sent.catch(() => {})
    const entry: Entry = { id, outgoing, order, isOwn, stored, sent, resolve, reject }
    this.#set(conversationId, [...this.#queue(conversationId).entries, entry])
    return entry
  }

  #tell({ order, outgoing }: Entry): void {
    this.#options.tabs.post({ kind: "put", order, outgoing })
  }

  /** Takes over a message as another tab knows it. */
  #put(outgoing: Outgoing, order: number): void {
    const { conversationId, id, problem, status } = outgoing
    this.#order = Math.max(this.#order, order)
    const { entries } = this.#queue(conversationId)
    const known = entries.find((entry) => entry.id === id)
    if (known === undefined) this.#add(outgoing, order, Promise.resolve())
    else {
      this.#set(conversationId, entries.with(entries.indexOf(known), { ...known, outgoing, order }))
      if (status === "failed" && problem !== undefined) {
        known.reject(new ProblemError(problem, problem.status ?? 400, undefined))
      }
    }
    this.#options.conversation(conversationId).outgoingChanged()
    void this.#loaded.then(() => this.#run(conversationId))
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

  /** Reads the messages of earlier runs and of other tabs. */
  async #load(): Promise<void> {
    const { report, signal, storage } = this.#options
    const found = new Set<string>()
    try {
      for (const [key, value] of await storage.read(prefix)) {
        const { order, outgoing } = value as Pick<Entry, "order" | "outgoing">
        if (typeof order !== "number" || typeof outgoing?.id !== "string") {
          report(damaged(key))
          continue
        }
        const { conversationId, id } = outgoing
        this.#order = Math.max(this.#order, order)
        if (!this.#queue(conversationId).entries.some((entry) => entry.id === id)) {
          this.#add(outgoing, order, Promise.resolve())
          found.add(conversationId)
        }
      }
      this.#reading.reset()
    } catch (error) {
      report(error)
      // New messages need not wait. Earlier ones come as soon as they can be read.
      void sleep(this.#reading.after(error), signal).then(() => (signal.aborted ? undefined : this.#load()))
    }
    const early = this.#early ?? []
    this.#early = undefined
    for (const entry of early) entry.order = this.#order += 1
    for (const conversationId of found) this.#options.conversation(conversationId).outgoingChanged()
    for (const conversationId of this.#queues.keys()) void this.#run(conversationId)
  }

  /** Changes the state of a message. */
  #amend(conversationId: string, entry: Entry, change: Pick<Outgoing, "status" | "problem">): void {
    const amended = { ...entry, outgoing: { ...entry.outgoing, ...change } }
    this.#set(
      conversationId,
      this.#queue(conversationId).entries.map((other) => (other.id === entry.id ? amended : other))
    )
    this.#options.conversation(conversationId).outgoingChanged()
    this.#tell(amended)
    if (change.status === "failed") void this.#write([this.#keep(amended)])
  }

  #fail(conversationId: string, entry: Entry, error: ProblemError): void {
    if (!this.#queue(conversationId).entries.some(({ id }) => id === entry.id)) return
    this.#amend(conversationId, entry, { status: "failed", problem: error.problem })
    entry.reject(error)
  }

  /** The next messages to send, in their order: as many as one request takes, or the first one alone. */
  #next({ entries }: Queue, isAlone: boolean): ReadonlyArray<Entry> {
    const pending = entries.filter(({ outgoing }) => outgoing.status === "pending")
    let [count, characters] = [0, 0]
    for (const { outgoing } of pending.slice(0, isAlone ? 1 : mostMessages)) {
      characters += JSON.stringify(outgoing.draft).length + 64
      if (count > 0 && characters > mostCharacters) break
      count += 1
    }
    return pending.slice(0, count)
  }

  /** Sends messages once. Returns the outcome of each. */
  async #attempt(
    conversationId: string,
    batch: ReadonlyArray<Entry>,
    signal: AbortSignal
  ): Promise<ReadonlyArray<Message | ProblemError>> {
    const { messages } = this.#options.api
    const [first] = batch
    if (batch.length === 1 && first !== undefined) {
      return [await messages.send({ id: conversationId, messageId: first.id, body: first.outgoing.draft }, { signal })]
    }
    const body = batch.map(({ id, outgoing }) => ({ id, ...outgoing.draft }))
    const outcomes = await messages.sendAll({ id: conversationId, body }, { signal })
    return outcomes.map((outcome) => {
      if ("message" in outcome) return outcome.message
      const { problem, status } = outcome
      return new ProblemError(problem, status, "retryAfter" in problem ? problem.retryAfter : undefined)
    })
  }

  async #run(conversationId: string): Promise<void> {
    const queue = this.#queue(conversationId)
    const { conversation, network, signal, tabs } = this.#options
    if (queue.isRunning || !tabs.isLeader) return
    queue.isRunning = true
    const backoff = new Backoff()
    // After a failure, the first message goes alone, so that its own problem is known and no other one holds it up.
    let isAlone = false
    for (;;) {
      const batch = this.#next(queue, isAlone || !this.#sendsMany)
      let [entry] = batch
      if (entry === undefined || signal.aborted || !tabs.isLeader) break
      const attempt = new AbortController()
      queue.attempt = attempt
      const { epoch } = network
      await Promise.all(batch.map(({ stored }) => stored.catch(() => {})))
      const timer = setTimeout(() => attempt.abort(), patience)
      try {
        const outcomes = await this.#attempt(conversationId, batch, attempt.signal)
        const target = conversation(conversationId)
        await target.loaded
        isAlone = false
        for (const [index, outcome] of outcomes.entries()) {
          entry = batch[index] ?? entry
          if (outcome instanceof ProblemError) {
            if (!isRefusal(outcome)) throw outcome
            this.#fail(conversationId, entry, outcome)
          } else target.accept(outcome)
        }
        backoff.reset()
      } catch (error) {
        const { id } = entry
        const isWanted = queue.entries.some((other) => other.id === id)
        const problem = error instanceof ProblemError ? error.problem : undefined
        if (!isWanted || signal.aborted || !tabs.isLeader) continue
        isAlone = true
        if (isRefusal(error)) {
          // Servers before this request exists refuse it. The next attempt is of one message, whatever the reason.
          if (batch.length > 1) this.#sendsMany &&= error.status !== 405
          else this.#fail(conversationId, entry, error)
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
