import { type Api, pathOf } from "./Api.ts"
import { isRefusal } from "./Errors.ts"
import type { StreamState } from "./Follow.ts"
import { emptyLog, flagAll, type Log, mergeMessages, type MessagesUpdate, newest, putMessage, reduce } from "./Log.ts"
import { type Draft, type Message, type MessagePage, type Receipt, routes } from "./operations.ts"
import type { Outbox, Outgoing, Sending } from "./Outbox.ts"
import { Backoff } from "./Retry.ts"
import type { Change } from "./Storage.ts"
import { Followed, type Shared } from "./Store.ts"

export interface ConversationSnapshot {
  /** In the order of their `seq`, without a gap. */
  readonly messages: ReadonlyArray<Message>
  /** The caller's messages that are not among `messages` yet, in their order: to be shown behind those. */
  readonly outgoing: ReadonlyArray<Outgoing>
  /** How far participants have received and read. The flags of `messages` follow from these. */
  readonly receipts: ReadonlyArray<Receipt>
  readonly state: StreamState
  /** Whether anything has come yet, from the storage or from the server. */
  readonly isLoaded: boolean
  /** Whether there are older messages, for `loadEarlier`. */
  readonly hasEarlier: boolean
  /** Whether there are newer ones, for `loadLater`: only after `jumpTo`. */
  readonly hasLater: boolean
}

/** Messages around a position, away from the newest ones. */
type Window = Pick<Log, "messages" | "receipts" | "before">

/** The messages of a copy in the storage. */
const kept = 200

/** Between two signs that the caller is typing, in milliseconds: the server shows one for six seconds. */
const typingInterval = 3_000

export class ConversationStore extends Followed<MessagesUpdate, ConversationSnapshot> {
  readonly id: string
  readonly #api: Api
  readonly #outbox: Outbox
  #log: Log = emptyLog
  #window: Window | undefined
  /** Increases with each snapshot, which makes pages from before it void. */
  #epoch = 0
  #pagesOnTheirWay = 0
  /** The changes since the request of a page that is on its way: the page may be older. */
  readonly #meanwhile = new Map<string, Message>()
  /** The messages that answers have brought since the stream was asked for: its snapshot may be older. */
  readonly #answered = new Map<string, Message>()
  #wantedRead = 0
  #marking: Promise<void> | undefined
  #typedAt = 0

  constructor(shared: Shared, api: Api, outbox: Outbox, id: string) {
    super(shared, pathOf(routes.messages.page, { id }))
    this.id = id
    this.#api = api
    this.#outbox = outbox
  }

  /**
   * Sends a message: a text, or a draft of any type. It is shown at once, and goes when it can, after those before it. Nothing
   * needs to be awaited.
   */
  send(draft: string | Draft): Sending {
    return this.#outbox.send(this.id, typeof draft === "string" ? { content: draft, messageType: "text" } : draft)
  }

  /** Sends a message once more that has failed, changed if a draft is given. */
  resend(messageId: string, draft?: Draft): Sending {
    return this.#outbox.resend(this.id, messageId, draft)
  }

  /** Gives a message up that is not sent yet. If an attempt is on its way, the message may arrive nevertheless. */
  discard(messageId: string): Promise<void> {
    return this.#outbox.discard(this.id, messageId)
  }

  /** Replaces the text of one of the caller's messages. */
  async edit(messageId: string, content: string): Promise<Message> {
    const message = await this.#api.messages.edit({ id: this.id, messageId, body: { content } })
    await this.loaded
    this.accept(message)
    return message
  }

  /** Deletes a message: a tombstone stays. */
  erase(messageId: string): Promise<void> {
    return this.#api.messages.erase({ id: this.id, messageId })
  }

  /** Gives a reaction, or takes it back. */
  react(messageId: string, emoji: string, isGiven = true): Promise<void> {
    const { react, unreact } = this.#api.messages
    return (isGiven ? react : unreact)({ id: this.id, messageId, emoji })
  }

  /**
   * Says that the caller has read everything up to a position, or everything that is here. Tries again without a network, and
   * sends only the last of many positions.
   */
  markRead(seq: number = this.#log.messages.at(-1)?.seq ?? 0): Promise<void> {
    this.#wantedRead = Math.max(this.#wantedRead, seq)
    return (this.#marking ??= this.#mark().finally(() => {
      this.#marking = undefined
    }))
  }

  /** Says that the caller is typing, or has stopped. May be called at each key. */
  async typing(isTyping = true): Promise<void> {
    const isKnown = isTyping ? Date.now() - this.#typedAt < typingInterval : this.#typedAt === 0
    if (isKnown) return
    this.#typedAt = isTyping ? Date.now() : 0
    // Too old to be of interest by the next attempt.
    await this.#api.conversations.typing({ id: this.id, body: { isTyping } }).catch(() => {})
  }

  /** Loads a page of older messages, if there are any. */
  async loadEarlier(limit = 50): Promise<void> {
    await this.#loadPage(
      () => {
        const { before, messages } = this.#shown
        if (before === null && this.#log.version !== undefined) return undefined
        const [first] = messages
        return { limit, ...(first === undefined ? {} : { before: first.seq }) }
      },
      ({ before, messages, receipts }) => {
        const next = { before, receipts, messages: mergeMessages(messages, this.#shown.messages) }
        if (this.#window === undefined) this.#log = { ...this.#log, ...next, receipts: this.#log.receipts }
        else this.#window = next
      }
    )
  }

  /** After {@link jumpTo}, loads a page of newer messages, until the newest ones are reached. */
  async loadLater(limit = 50): Promise<void> {
    await this.#loadPage(
      () => {
        const last = this.#window?.messages.at(-1)
        return last === undefined ? undefined : { limit, after: last.seq }
      },
      ({ after, messages }) => {
        const window = this.#window
        if (window !== undefined) this.#showWindow({ ...window, messages: [...window.messages, ...messages] }, after)
      }
    )
  }

  /** Shows the messages around a position, or without one the newest messages again. */
  async jumpTo(seq?: number, limit = 50): Promise<void> {
    const first = this.#log.messages[0]
    const isHere = this.#log.version !== undefined && first !== undefined && (seq === undefined || seq >= first.seq)
    if (seq === undefined || isHere) {
      this.#window = undefined
      this.changed("now")
      return
    }
    await this.#loadPage(
      () => ({ limit, around: seq }),
      ({ after, before, messages, receipts }) => this.#showWindow({ before, messages, receipts }, after)
    )
  }

  /** Puts a message that an answer has brought. */
  accept(message: Message): void {
    if (this.isFollowing) this.#answered.set(message.id, message)
    this.#put(message)
    this.#settle([message], "now")
  }

  outgoingChanged(): void {
    this.changed("now")
  }

  protected compose(): ConversationSnapshot {
    const { messages, receipts, version } = this.#log
    const outgoing = this.#outbox.of(this.id)
    // A crash may have left one in both.
    const ids = outgoing.length === 0 ? undefined : new Set(messages.map(({ id }) => id))
    return {
      messages: this.#shown.messages,
      outgoing: ids === undefined ? outgoing : outgoing.filter(({ id }) => !ids.has(id)),
      receipts,
      state: this.state,
      isLoaded: version !== undefined,
      hasEarlier: this.#shown.before !== null || version === undefined,
      hasLater: this.#window !== undefined
    }
  }

  protected get version(): string | undefined {
    return this.#log.version
  }

  protected get copy(): Change {
    return [`copy/${this.id}`, newest(this.#log, kept)]
  }

  protected restore(copy: unknown): void {
    this.#log = copy as Log
  }

  protected clear(): void {
    this.#log = emptyLog
    this.#forgetPages()
  }

  protected override onConnect(): void {
    this.#answered.clear()
  }

  /** Without a listener, only what the storage keeps stays. */
  protected override onStop(): void {
    this.#forgetPages()
    this.#log = newest(this.#log, kept)
  }

  protected receive(update: MessagesUpdate): void {
    this.#log = reduce(this.#log, update)
    if ("message" in update) {
      this.#answered.delete(update.message.id)
      this.#putElsewhere(update.message)
      this.#settle([update.message], "soon")
    } else if ("snapshot" in update) {
      this.#forgetPages()
      const last = update.snapshot.messages.at(-1)?.seq ?? 0
      for (const message of this.#answered.values()) if (message.seq > last) this.#put(message)
      this.#settle(this.#log.messages, "soon")
    } else {
      if ("receipts" in update && this.#window !== undefined) {
        const { messages } = this.#window
        this.#window = { ...this.#window, receipts: update.receipts, messages: flagAll(messages, update.receipts) }
      }
      this.#settle([], "soon")
    }
  }

  get #shown(): Window {
    return this.#window ?? this.#log
  }

  #put(message: Message): void {
    this.#log = putMessage(this.#log, message)
    this.#putElsewhere(message)
  }

  /** Puts a message among those that are no part of the log, if it is one of them. */
  #putElsewhere(message: Message): void {
    if (this.#pagesOnTheirWay > 0) this.#meanwhile.set(message.id, message)
    if (this.#window?.messages.some(({ id }) => id === message.id) === true) {
      this.#window = putMessage(this.#window, message)
    }
  }

  /** Takes out of the outbox what has arrived, and writes both that and the copy, or the copy alone after a while. */
  #settle(messages: ReadonlyArray<Message>, when: "now" | "soon"): void {
    const changes = this.#outbox.arrived(this.id, messages)
    if (changes.length > 0) void this.write(changes)
    else this.save()
    this.changed(changes.length > 0 ? "now" : when)
  }

  #forgetPages(): void {
    this.#epoch += 1
    this.#window = undefined
    this.#meanwhile.clear()
  }

  /** Shows a window, or the log with it at its beginning if the two meet. */
  #showWindow(window: Window, after: string | null): void {
    const first = this.#log.messages[0]
    const last = window.messages.at(-1)
    const meets = after === null || (first !== undefined && last !== undefined && last.seq >= first.seq)
    if (!meets || this.#log.version === undefined) {
      this.#window = window
      return
    }
    const messages = flagAll(mergeMessages(window.messages, this.#log.messages), this.#log.receipts)
    this.#log = { ...this.#log, before: window.before, messages }
    this.#window = undefined
  }

  /** Reads a page and puts it where it belongs. A snapshot meanwhile makes it void: it is read again. */
  async #loadPage(
    query: () =>
      | { readonly limit: number; readonly before?: number; readonly after?: number; readonly around?: number }
      | undefined,
    put: (page: MessagePage) => void
  ): Promise<void> {
    await this.loaded
    this.#pagesOnTheirWay += 1
    try {
      for (;;) {
        const epoch = this.#epoch
        const asked = query()
        if (asked === undefined) return
        const page = await this.#api.messages.page({ id: this.id, ...asked })
        if (epoch !== this.#epoch) continue
        const messages = page.messages.map((message) => {
          const change = this.#meanwhile.get(message.id)
          return change === undefined || change.version < message.version ? message : change
        })
        put({ ...page, messages })
        this.save()
        this.changed("now")
        return
      }
    } finally {
      this.#pagesOnTheirWay -= 1
      if (this.#pagesOnTheirWay === 0) this.#meanwhile.clear()
    }
  }

  async #mark(): Promise<void> {
    const { connection, signal } = this.shared
    const backoff = new Backoff()
    for (let marked = -1; marked < this.#wantedRead && !signal.aborted;) {
      const readSeq = this.#wantedRead
      const { epoch } = connection.network
      try {
        await this.#api.conversations.receipt({ id: this.id, body: { readSeq } }, { signal })
        marked = readSeq
      } catch (error) {
        if (signal.aborted) return
        if (isRefusal(error)) throw error
        await connection.network.pause(backoff.after(error), error, signal, epoch)
      }
    }
  }
}

/** A conversation: its newest messages as they are now, older ones on demand, and the caller's on their way. */
export type Conversation = Pick<
  ConversationStore,
  | "id"
  | "getSnapshot"
  | "subscribe"
  | "loaded"
  | "send"
  | "resend"
  | "discard"
  | "edit"
  | "erase"
  | "react"
  | "markRead"
  | "typing"
  | "loadEarlier"
  | "loadLater"
  | "jumpTo"
>
