import { type Api, makeApi, pathOf } from "./Api.ts"
import { type LiveConversation, ConversationStore } from "./Conversation.ts"
import type { Encoding } from "./Follow.ts"
import { InboxStore } from "./Inbox.ts"
import { type Call, Http, type HttpOptions } from "./Http.ts"
import { type InboxPage, type PresencePage, routes } from "./operations.ts"
import { Outbox } from "./Outbox.ts"
import { reduceInbox, reducePresence } from "./Pages.ts"
import { type Resource, ResourceStore } from "./Resource.ts"
import { Network } from "./Retry.ts"
import { memoryStorage, type Storage } from "./Storage.ts"
import type { Followed, Shared } from "./Store.ts"
import { Tabs, type Want, type Word } from "./Tabs.ts"

export interface ClientOptions extends HttpOptions {
  /** Keeps unsent messages and copies over reloads and crashes. Without a storage, they last as long as the client. */
  readonly storage?: Storage | undefined
  /** The encoding of streams, `lines` by default. `poll` is for networks that hold an answer back until it is whole. */
  readonly encoding?: Encoding | undefined
  /** Receives each failure that no call can return, such as a failed write of the storage. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** The storage keeps the id of the account to which it belongs under this key. */
const accountKey = "account"

/** A client of one account on one server. */
export class Client {
  /** A call for each endpoint. No call is repeated after a failure. */
  readonly api: Api
  /** Conversations, unread counts, friends, requests and blocks. */
  readonly inbox: Resource<InboxPage>
  /** The people who are online and those who are typing. */
  readonly presence: Resource<PresencePage>
  readonly #inbox: InboxStore
  readonly #presence: ResourceStore<PresencePage>
  readonly #conversations = new Map<string, ConversationStore>()
  readonly #ending = new AbortController()
  readonly #network = new Network(this.#ending.signal)
  readonly #outbox: Outbox
  readonly #shared: Shared
  readonly #tabs: Tabs
  /** The holds on streams that other tabs want, by tab and key. */
  readonly #held = new Map<string, Map<string, () => void>>()
  readonly #storage: Storage
  /** Calls that wait until the storage is known to belong to the token's account. */
  readonly #ownApi: Api
  #admission: Promise<void> | undefined

  constructor(options: ClientOptions) {
    const { encoding, onError = () => {}, storage } = options
    const http = new Http(options)
    this.api = makeApi(http)
    this.#storage = storage ?? memoryStorage()
    const admit = storage === undefined ? async () => {} : () => this.#admit()
    const request = async (call: Call) => {
      await admit()
      return http.request(call)
    }
    this.#ownApi = makeApi({ request })
    const { signal } = this.#ending
    this.#tabs = new Tabs({
      name: this.#storage.name,
      signal,
      onLead: () => this.#join(),
      onFollow: () => this.#join(),
      onWord: (word, from) => this.#hear(word, from),
      onLoss: (tab) => {
        this.#release(tab)
        this.#outbox.lead()
      },
      wants: () => this.#stores.flatMap(({ want }) => want ?? [])
    })
    // A tab that the user turns to may hear of the network before the leader does.
    this.#network.onWake(() => {
      if (!this.#tabs.isLeader) this.#tabs.post({ kind: "wake" })
    })
    this.#shared = {
      connection: { request, network: this.#network },
      storage: this.#storage,
      tabs: this.#tabs,
      encoding,
      signal,
      report: onError
    }
    this.#outbox = new Outbox({
      api: this.#ownApi,
      storage: this.#storage,
      network: this.#network,
      tabs: this.#tabs,
      signal,
      report: onError,
      conversation: (id) => this.#open(id)
    })
    this.#inbox = new InboxStore(this.#shared, this.#ownApi, {
      key: "inbox",
      path: pathOf(routes.inbox.inbox),
      reduce: reduceInbox,
      copyKey: "copy/inbox"
    })
    this.inbox = this.#inbox
    // An old presence is of no use, so that the storage has no copy of it.
    this.#presence = new ResourceStore(this.#shared, {
      key: "presence",
      path: pathOf(routes.presence.presence),
      reduce: reducePresence
    })
    this.presence = this.#presence
  }

  /** Returns the conversation with this id, the same object each time. The first listener opens its stream. */
  conversation(id: string): LiveConversation {
    return this.#open(id)
  }

  #open(id: string): ConversationStore {
    const known = this.#conversations.get(id)
    if (known !== undefined) return known
    const conversation = new ConversationStore(this.#shared, this.#ownApi, this.#outbox, this.#inbox, id)
    this.#conversations.set(id, conversation)
    void conversation.loaded
    return conversation
  }

  get #stores(): ReadonlyArray<Followed<never, unknown>> {
    return [this.#inbox, this.#presence, ...this.#conversations.values()] as ReadonlyArray<Followed<never, unknown>>
  }

  /** Opens the wanted streams, or leaves them to the tab that leads from now on. */
  #join(): void {
    for (const tab of Array.from(this.#held.keys())) this.#release(tab)
    if (this.#tabs.isLeader) this.#outbox.lead()
    else this.#outbox.follow()
    for (const store of this.#stores) store.join()
  }

  #hear(word: Word, from: string): void {
    const { isLeader } = this.#tabs
    switch (word.kind) {
      case "hello":
        for (const want of isLeader ? word.wants : []) this.#hold(from, want)
        break
      case "want":
        if (isLeader) this.#hold(from, word)
        break
      case "leave":
        this.#held.get(from)?.get(word.key)?.()
        this.#held.get(from)?.delete(word.key)
        break
      case "copy":
      case "update":
      case "state":
      case "connect":
        this.#stores.find(({ key }) => key === word.key)?.hear(word)
        break
      case "put":
      case "discard":
      case "arrived":
        this.#outbox.hear(word)
        break
      case "wake":
        if (isLeader) this.#network.wake()
        break
      case "clear":
        this.#outbox.clear()
        this.#forget()
    }
  }

  /** Holds a stream open for another tab. */
  #hold(tab: string, { key, version }: Want): void {
    const held = this.#held.get(tab) ?? new Map<string, () => void>()
    this.#held.set(tab, held)
    const store = this.#stores.find((store) => store.key === key) ?? this.#open(key)
    if (!held.has(key))
      held.set(
        key,
        store.subscribe(() => {})
      )
    void store.answer(tab, version)
  }

  #release(tab: string): void {
    this.#held.get(tab)?.forEach((release) => release())
    this.#held.delete(tab)
  }

  /**
   * Makes the next attempt of every stream and send at once, for instance after a new sign-in. Attempts that wait for the
   * server's `Retry-After` go on waiting. Of several tabs, the one that calls this takes the streams.
   */
  reconnect(): void {
    this.#tabs.take()
    this.#network.wake()
  }

  /**
   * Forgets everything of this account, in the memory of every tab and in the storage, after a sign-out. Rejects if the storage
   * fails.
   */
  async clear(): Promise<void> {
    this.#outbox.clear()
    await this.#empty()
    this.#outbox.clear()
  }

  /** Empties the storage except some keys, and the copies in every tab's memory. */
  async #empty(kept: ReadonlySet<string> = new Set()): Promise<void> {
    this.#tabs.post({ kind: "clear" })
    const entries = await this.#storage.read("")
    await this.#storage.write(entries.flatMap(([key]) => (kept.has(key) ? [] : [[key, undefined] as const])))
    this.#forget()
  }

  #forget(): void {
    for (const store of this.#stores) store.reset()
    this.#admission = undefined
  }

  /** Ends all streams and attempts, writes the copies and closes the storage, which keeps unsent messages. */
  async close(): Promise<void> {
    const copies = [this.#inbox, ...this.#conversations.values()].map((store) => store.flush())
    this.#ending.abort()
    await Promise.all(copies)
    await this.#storage.close?.()
  }

  [Symbol.dispose](): void {
    void this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Makes sure, once, that the storage belongs to the token's account, so that no account sends the messages of another or
   * resumes at another's version.
   */
  #admit(): Promise<void> {
    return (this.#admission ??= this.#identify().catch((error: unknown) => {
      this.#admission = undefined
      throw error
    }))
  }

  async #identify(): Promise<void> {
    const [{ id }, entries] = await Promise.all([
      this.api.auth.me({}, { signal: this.#ending.signal }),
      this.#storage.read(accountKey)
    ])
    const owner = entries[0]?.[1]
    if (owner === id) return
    if (owner !== undefined) {
      // The program may have sent messages of the new account already.
      await this.#empty(this.#outbox.disown())
      this.#admission = Promise.resolve()
    }
    await this.#storage.write([[accountKey, id]])
  }
}

/** Makes a client. Its only requests before its first use are those for messages that an earlier run left unsent. */
export const createClient = (options: ClientOptions): Client => new Client(options)
