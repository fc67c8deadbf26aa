import type { StreamState } from "./Follow.ts"
import type { Copy, PageUpdate } from "./Pages.ts"
import { damaged, Followed, type Shared } from "./Store.ts"

export interface ResourceSnapshot<Page> {
  /** The resource, or `undefined` until the storage or the server has provided it. */
  readonly page: Page | undefined
  readonly state: StreamState
}

export interface ResourceOptions<Page> {
  readonly key: string
  readonly path: string
  readonly reduce: (copy: Copy<Page>, update: PageUpdate<Page>) => Copy<Page>
  /** The key of the copy in the storage. Without a key, there is no copy. */
  readonly copyKey?: string
}

export class ResourceStore<Page> extends Followed<PageUpdate<Page>, ResourceSnapshot<Page>> {
  readonly #options: ResourceOptions<Page>
  #copy: Copy<Page> = { version: undefined, page: undefined }

  constructor(shared: Shared, options: ResourceOptions<Page>) {
    super(shared, options.key, options.path)
    this.#options = options
  }

  protected compose(): ResourceSnapshot<Page> {
    return { page: this.#copy.page, state: this.state }
  }

  protected get version(): string | undefined {
    return this.#copy.version
  }

  protected get copy(): Copy<Page> {
    return this.#copy
  }

  protected get copyKey(): string | undefined {
    return this.#options.copyKey
  }

  protected restore(copy: unknown): void {
    const page = (copy as Partial<Copy<Page>> | null)?.page
    if (typeof page !== "object" || page === null) throw damaged(this.key)
    this.#copy = copy as Copy<Page>
  }

  protected clear(): void {
    this.#copy = { version: undefined, page: undefined }
  }

  protected receive(update: PageUpdate<Page>): void {
    this.#copy = this.#options.reduce(this.#copy, update)
    this.save()
    this.changed("soon")
  }
}

/** A page that changes: the inbox or the presence. */
export type Resource<Page> = Pick<ResourceStore<Page>, "getSnapshot" | "subscribe" | "loaded">
