import type { Api } from "./Api.ts"
import { isRefusal, isSignedOut } from "./Errors.ts"
import type { InboxPage, Profile } from "./operations.ts"
import { type Copy, type PageUpdate, peopleOf } from "./Pages.ts"
import { type ResourceOptions, ResourceStore } from "./Resource.ts"
import { Backoff, sleep } from "./Retry.ts"
import type { Shared } from "./Store.ts"

/** Names and pictures by the ids of people. */
export type People = Readonly<Record<string, Profile>>

/** The most people in one request. */
const maxIds = 100

/** The number of people whom the storage keeps. */
const kept = 1_000

const isSame = (left: Profile | undefined, right: Profile) =>
  left?.username === right.username && left.displayName === right.displayName && left.avatarUrl === right.avatarUrl

/**
 * The inbox, with the names and pictures of its people and of the people in open conversations. Its copy has both, because its
 * version says up to when the names are right.
 */
export class InboxStore extends ResourceStore<InboxPage> {
  readonly #api: Api
  #people: People = {}
  /** The people who need no request. Those without an account are among them. */
  readonly #known = new Set<string>()
  readonly #wanted = new Set<string>()
  /** The people of the request that is on its way, without those of whom the inbox has had news meanwhile. */
  readonly #asked = new Set<string>()
  #isAsking = false

  constructor(shared: Shared, api: Api, options: ResourceOptions<InboxPage>) {
    super(shared, options)
    this.#api = api
  }

  /** The people whose names are known, the same object until one of them changes. */
  get people(): People {
    return this.#people
  }

  /**
   * Asks the server for people who are not known, many in one request, once the inbox has a version.
   *
   * @param isOpening also asks for people of whose changes the inbox has no news
   */
  lookUp(ids: ReadonlySet<string>, isOpening: boolean): void {
    const { page } = this.getSnapshot()
    const shown = new Set(isOpening && page !== undefined ? peopleOf(page).map(({ id }) => id) : [])
    for (const id of ids) {
      if (isOpening && !shown.has(id)) this.#known.delete(id)
      if (!this.#known.has(id)) this.#wanted.add(id)
    }
    void this.#ask()
  }

  protected override get copy(): Copy<InboxPage> & { readonly people: People } {
    return { ...super.copy, people: Object.fromEntries(Object.entries(this.#people).slice(-kept)) }
  }

  protected override restore(copy: unknown): void {
    super.restore(copy)
    const { page, people } = copy as Copy<InboxPage> & { readonly people?: People }
    // The server is asked again for people whom the page does not have, because the inbox has no news of their changes.
    this.#people = people ?? {}
    this.#forgetRequests()
    if (page !== undefined) this.#learn(peopleOf(page))
  }

  protected override clear(): void {
    super.clear()
    this.#people = {}
    this.#forgetRequests()
  }

  protected override onStop(): void {
    this.#wanted.clear()
  }

  protected override receive(update: PageUpdate<InboxPage>): void {
    // Before a snapshot, names may have changed without news.
    if ("snapshot" in update) this.#forgetRequests()
    const page = "snapshot" in update ? update.snapshot : "change" in update ? update.change : undefined
    if (page !== undefined) this.#learn(peopleOf(page))
    super.receive(update)
  }

  #forgetRequests(): void {
    this.#known.clear()
    this.#wanted.clear()
    this.#asked.clear()
  }

  #learn(people: ReadonlyArray<Profile>): void {
    const changes = people.filter((person) => !isSame(this.#people[person.id], person))
    if (changes.length > 0) {
      this.#people = { ...this.#people, ...Object.fromEntries(changes.map((person) => [person.id, person])) }
    }
    for (const { id } of people) {
      this.#known.add(id)
      this.#wanted.delete(id)
      this.#asked.delete(id)
    }
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    const { connection, signal } = this.shared
    const backoff = new Backoff()
    // Conversations that open together share a request.
    await sleep(0, signal)
    while (this.#wanted.size > 0 && this.version !== undefined && this.isFollowing && !signal.aborted) {
      const { epoch } = connection.network
      for (const id of [...this.#wanted].slice(0, maxIds)) this.#asked.add(id)
      try {
        const { users } = await this.#api.people.search({ ids: [...this.#asked].join() }, { signal })
        this.#learn(users.filter(({ id }) => this.#asked.has(id)))
        this.#giveUp()
        this.save()
        this.changed("soon")
      } catch (error) {
        if (isRefusal(error)) this.#giveUp()
        else await connection.network.pause(isSignedOut(error) ? Infinity : backoff.after(error), error, signal, epoch)
      }
      this.#asked.clear()
    }
    this.#isAsking = false
  }

  /** Asks no further for the people of whom the answer has nothing. */
  #giveUp(): void {
    for (const id of this.#asked) {
      this.#known.add(id)
      this.#wanted.delete(id)
    }
  }
}
