import { type Api, makeApi, pathOf } from "./Api.ts"
import { type Conversation, ConversationStore } from "./Conversation.ts"
import type { Encoding } from "./Follow.ts"
import { type Call, Http, type HttpOptions } from "./Http.ts"
import { type InboxPage, type PresencePage, routes } from "./operations.ts"
import { Outbox } from "./Outbox.ts"
import { reduceInbox, reducePresence } from "./Pages.ts"
import { type Resource, ResourceStore } from "./Resource.ts"
import { Network } from "./Retry.ts"
import { memoryStorage, type Storage } from "./Storage.ts"
import type { Shared } from "./Store.ts"

export interface ClientOptions extends HttpOptions {
  /** Keeps unsent messages and copies over reloads and crashes; without it, they last as long as the client. */
  readonly storage?: Storage | undefined
  /** How streams are written: `lines`, unless a network holds back what is not whole, which `poll` copes with. */
  readonly encoding?: Encoding | undefined
  /** Hears of a failure that no call can return: storage that fails, an update that cannot be read. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** The key under which a storage has the id of the account that it belongs to. */
const accountKey = "account"

/** One person's view of a server. */
export class Client {
  readonly api: Api
  /** Conversations, unread counts, friends, requests and blocks. */
  readonly inbox: Resource<InboxPage>
  /** The people who are online and those who are typing. */
  readonly presence: Resource<PresencePage>
  readonly #inbox: ResourceStore<InboxPage>
  readonly #conversations = new Map<string, ConversationStore>()
  readonly #ending = new AbortController()
  readonly #network = new Network(this.#ending.signal)
  readonly #outbox: Outbox
  readonly #shared: Shared
  readonly #storage: Storage
  /** The api of what goes by the storage: messages of the outbox, and streams that resume. */
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
    this.#shared = {
      connection: { request, network: this.#network },
      storage: this.#storage,
      encoding,
      signal,
      report: onError
    }
    this.#outbox = new Outbox({
      api: this.#ownApi,
      storage: this.#storage,
      network: this.#network,
      signal,
      report: onError,
      conversation: (id) => this.#open(id)
    })
    this.#inbox = new ResourceStore(this.#shared, {
      path: pathOf(routes.inbox.inbox),
      reduce: reduceInbox,
      key: "copy/inbox"
    })
    this.inbox = this.#inbox
    // Presence of yesterday is of no use.
    this.presence = new ResourceStore(this.#shared, { path: pathOf(routes.presence.presence), reduce: reducePresence })
  }

  /** The conversation with this id: the same object each time. It makes no request before somebody subscribes or calls. */
  conversation(id: string): Conversation {
    return this.#open(id)
  }

  #open(id: string): ConversationStore {
    const known = this.#conversations.get(id)
    if (known !== undefined) return known
    const conversation = new ConversationStore(this.#shared, this.#ownApi, this.#outbox, id)
    this.#conversations.set(id, conversation)
    void conversation.loaded
    return conversation
  }

  /** Tries at once what waits for another attempt: after a new sign-in, or by a button. */
  reconnect(): void {
    this.#network.wake()
  }

  /** Forgets everything of this account, in the storage too: after a sign-out. */
  async clear(): Promise<void> {
    this.#outbox.clear()
    const entries = await this.#storage.read("")
    await this.#storage.write(entries.map(([key]) => [key, undefined]))
    for (const store of [this.#inbox, ...this.#conversations.values()]) store.reset()
    this.#admission = undefined
  }

  /** Ends all streams and attempts, and writes the copies. Unsent messages stay in the storage. */
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
   * Makes sure, once, that the storage is that of the person whom the token signs in: nobody sends another's messages or
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
      await this.clear()
      this.#admission = Promise.resolve()
    }
    await this.#storage.write([[accountKey, id]])
  }
}

/** Makes a client. Nothing is sent before something is asked of it, but what an earlier run has left in the outbox. */
export const createClient = (options: ClientOptions): Client => new Client(options)
