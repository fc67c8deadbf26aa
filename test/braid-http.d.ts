/** The used part of the reference client, which comes without types. */
declare module "braid-http" {
  export interface Patch {
    readonly unit: string
    readonly range: string
    readonly content_text: string
  }

  export interface Update {
    readonly version?: ReadonlyArray<string>
    readonly parents?: ReadonlyArray<string>
    readonly status?: string
    readonly body_text?: string
    readonly patches?: ReadonlyArray<Patch>
  }

  export interface Options {
    readonly subscribe?: boolean
    readonly version?: ReadonlyArray<string>
    /** A function is called at each attempt to connect. */
    readonly parents?: ReadonlyArray<string> | (() => ReadonlyArray<string> | undefined)
    readonly heartbeats?: number | string
    readonly peer?: string
    readonly headers?: Readonly<Record<string, string>>
    /** Connects again after each cut, after a second or more. */
    readonly retry?: boolean
    readonly signal?: AbortSignal
  }

  export interface Subscription extends Response {
    readonly subscribe: (onUpdate: (update: Update) => void, onError: (error: unknown) => void) => void
  }

  export const fetch: {
    (url: string, options: Options): Promise<Subscription>
    /** Replaces the underlying `fetch`. */
    readonly set_fetch: (fetch: (url: string, init: RequestInit) => Promise<Response>) => void
  }
}
