import { type Api, pathOf } from "./Api.ts"
import { isRefusal } from "./Errors.ts"
import type { StreamState } from "./Follow.ts"
import type { InboxStore, People } from "./Inbox.ts"
import { emptyLog, flagAll, type Log, mergeMessages, type MessagesUpdate, newest, putMessage, reduce } from "./Log.ts"
import { type Draft, type Message, type MessagePage, type Receipt, routes } from "./operations.ts"
import type { Outbox, Sending } from "./Outbox.ts"
import type { Outgoing } from "./Outgoing.ts"
import { Backoff } from "./Retry.ts"
import { damaged, Followed, type Shared } from "./Store.ts"

export interface ConversationSnapshot {
  /** In the order of their `seq`, without a gap. */
  readonly messages: ReadonlyArray<Message>
  /** The caller's messages that are not among `messages` yet, in their order. A view shows them after `messages`. */
  readonly outgoing: ReadonlyArray<Outgoing>
  /** The positions up to which participants have received and read. The flags of `messages` follow from them. */
  readonly receipts: ReadonlyArray<Receipt>
  /**
   * The names and pictures of the people known to the client by their ids. The senders of `messages` and the people of
   * `receipts` are among them as soon as the server has named them, except deleted accounts.
   */
  readonly people: People
  readonly state: StreamState
  /** Whether the storage or the server has provided the messages. */
  readonly isLoaded: boolean
  /** Whether `loadEarlier` may find older messages. */
  readonly hasEarlier: boolean
  /** Whether `loadLater` can load newer messages, which is possible only after `jumpTo`. */
  readonly hasLater: boolean
}

/** Messages around a position, away from the newest ones. */
type Window = Pick<Log, "messages" | "receipts" | "before">

/** The number of messages that the storage keeps of a conversation. */
const kept = 200

/** The milliseconds between two typing signals. The server shows each for six seconds. */
const typingInterval = 3_000

export class ConversationStore extends Followed<MessagesUpdate, ConversationSnapshot> {
  readonly id: string
  readonly #api: Api
  readonly #outbox: Outbox
  readonly #inbox: InboxStore
  #leaveInbox: (() => void) | undefined
  #log: Log = emptyLog
  #window: Window | undefined
  /** Increases with each snapshot. A page that was requested before a snapshot is not used. */
  #epoch = 0
  #pagesOnTheirWay = 0
  /** The changes since the request of a page that is on its way. The page may be older than they are. */
  readonly #meanwhile = new Map<string, Message>()
  /** The messages that answers have brought since the request of the stream. Its snapshot may be older than they are. */
  readonly #answered = new Map<string, Message>()
  #wantedRead = 0
  #marking: Promise<void> | undefined
  #typedAt = 0

  constructor(shared: Shared, api: Api, outbox: Outbox, inbox: InboxStore, id: string) {
    super(shared, id, pathOf(routes.messages.page, { id }))
    this.id = id
    this.#api = api
    this.#outbox = outbox
    this.#inbox = inbox
  }

  /**
   * Sends a text or a draft of any type. The message is in `outgoing` at once, and goes to the server after the messages before
   * it. Awaiting the result is optional.
   */
  send(draft: string | Draft): Sending {
    return this.#outbox.send(this.id, typeof draft === "string" ? { content: draft, messageType: "text" } : draft)
  }

  /** Sends a failed message again, behind all others, with a draft if one is given. Throws if the message has not failed. */
  resend(messageId: string, draft?: Draft): Sending {
    return this.#outbox.resend(this.id, messageId, draft)
  }

  /** Removes an unsent message. If an attempt is on its way, the message may still arrive. */
  discard(messageId: string): Promise<void> {
    return this.#outbox.discard(this.id, messageId)
  }

  /** Replaces the text of one of the caller's messages. Makes one request and rejects if it fails. */
  async edit(messageId: string, content: string): Promise<Message> {
    const message = await this.#api.messages.edit({ id: this.id, messageId, body: { content } })
    await this.loaded
    this.accept(message)
    return message
  }

  /** Deletes a message, which leaves a tombstone. Makes one request and rejects if it fails. */
  erase(messageId: string): Promise<void> {
    return this.#api.messages.erase({ id: this.id, messageId })
  }

  /** Adds a reaction, or removes it if `isGiven` is false. Makes one request and rejects if it fails. */
  react(messageId: string, emoji: string, isGiven = true): Promise<void> {
    const { react, unreact } = this.#api.messages
    return (isGiven ? react : unreact)({ id: this.id, messageId, emoji })
  }

  /**
   * Marks everything up to a position as read, by default up to the newest loaded message. Retries until the server answers,
   * and sends only the highest of the positions that have gathered. Rejects if the server refuses it.
   */
  markRead(seq: number = this.#log.messages.at(-1)?.seq ?? 0): Promise<void> {
    this.#wantedRead = Math.max(this.#wantedRead, seq)
    return (this.#marking ??= this.#mark().finally(() => {
      this.#marking = undefined
    }))
  }

  /** Signals that the caller is typing or has stopped. A program may call it at each key. Never rejects. */
  async typing(isTyping = true): Promise<void> {
    // The clock may have been set back.
    const isKnown = isTyping ? Math.abs(Date.now() - this.#typedAt) < typingInterval : this.#typedAt === 0
    if (isKnown) return
    this.#typedAt = isTyping ? Date.now() : 0
    // By the next attempt, the signal would be out of date.
    await this.#api.conversations.typing({ id: this.id, body: { isTyping } }).catch(() => {})
  }

  /** Loads up to `limit` older messages, at most 200. Rejects if the request fails. */
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

  /** After {@link jumpTo}, loads up to `limit` newer messages, at most 200. Rejects if the request fails. */
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

  /**
   * Shows up to `limit` messages, at most 200, around a position, or without a position the newest again. Rejects if the request
   * fails.
   */
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
    // After a crash, the storage may have a message in both.
    const ids = outgoing.length === 0 ? undefined : new Set(messages.map(({ id }) => id))
    return {
      messages: this.#shown.messages,
      outgoing: ids === undefined ? outgoing : outgoing.filter(({ id }) => !ids.has(id)),
      receipts,
      people: this.#inbox.people,
      state: this.state,
      isLoaded: version !== undefined,
      hasEarlier: this.#shown.before !== null || version === undefined,
      hasLater: this.#window !== undefined
    }
  }

  protected get version(): string | undefined {
    return this.#log.version
  }

  protected get copy(): Log {
    return newest(this.#log, kept)
  }

  protected get copyKey(): string {
    return `copy/${this.id}`
  }

  protected restore(copy: unknown): void {
    const log = copy as Partial<Log> | null
    if (!Array.isArray(log?.messages) || !Array.isArray(log.receipts)) throw damaged(this.copyKey)
    this.#log = log as Log
  }

  protected clear(): void {
    this.#log = emptyLog
    this.#forgetPages()
  }

  protected override onConnect(): void {
    this.#answered.clear()
  }

  /** Without a listener, the memory has no more messages than the storage. */
  protected override onStop(): void {
    this.#leaveInbox?.()
    this.#leaveInbox = undefined
    this.#forgetPages()
    this.#log = newest(this.#log, kept)
  }

  protected override changed(when: "now" | "soon"): void {
    this.#namePeople()
    super.changed(when)
  }

  /** Keeps the inbox open once there is somebody to name, because it has the names and brings their changes. */
  #namePeople(): void {
    if (!this.isFollowing) return
    const senders = this.#shown.messages.flatMap(({ senderId }) => senderId ?? [])
    const ids = new Set([...senders, ...this.#log.receipts.map(({ userId }) => userId)])
    if (ids.size === 0) return
    const isOpening = this.#leaveInbox === undefined
    if (isOpening) {
      let { people } = this.#inbox
      this.#leaveInbox = this.#inbox.subscribe(() => {
        if (people === this.#inbox.people) return this.#namePeople()
        people = this.#inbox.people
        this.changed("now")
      })
    }
    this.#inbox.lookUp(ids, isOpening)
  }

  protected receive(update: MessagesUpdate): void {
    this.#log = reduce(this.#log, update)
    if ("message" in update) {
      this.#answered.delete(update.message.id)
      this.#putElsewhere(update.message)
      this.#settle([update.message], "soon")
    } else if ("snapshot" in update) {
      this.#replaced("soon")
    } else {
      if ("receipts" in update && this.#window !== undefined) {
        const { messages } = this.#window
        this.#window = { ...this.#window, receipts: update.receipts, messages: flagAll(messages, update.receipts) }
      }
      this.#settle([], "soon")
    }
  }

  protected override renew(copy: unknown): void {
    this.restore(copy)
    this.#replaced("now")
  }

  /** A snapshot has replaced the log. */
  #replaced(when: "now" | "soon"): void {
    this.#forgetPages()
    const last = this.#log.messages.at(-1)?.seq ?? 0
    for (const message of this.#answered.values()) if (message.seq > last) this.#put(message)
    this.#settle(this.#log.messages, when)
  }

  get #shown(): Window {
    return this.#window ?? this.#log
  }

  #put(message: Message): void {
    this.#log = putMessage(this.#log, message)
    this.#putElsewhere(message)
  }

  /** Puts a message into the window, and into pages that are on their way. */
  #putElsewhere(message: Message): void {
    if (this.#pagesOnTheirWay > 0) this.#meanwhile.set(message.id, message)
    if (this.#window?.messages.some(({ id }) => id === message.id) === true) {
      this.#window = putMessage(this.#window, message)
    }
  }

  /** Takes messages that have arrived out of the outbox, and writes this with the copy. The copy alone is written later. */
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

  /** Shows a window. If it reaches the log, the two become one. */
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

  /** Reads a page and puts it in its place. If a snapshot comes first, the page is read again. */
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

/** The current newest messages of a conversation, older ones on demand, and the caller's unsent messages. */
export type LiveConversation = Pick<
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
