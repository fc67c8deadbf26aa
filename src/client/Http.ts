import { ConnectionError, problemOfResponse } from "./Errors.ts"

/** What the client needs of `fetch`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface HttpOptions {
  /** The server's URL, such as `https://chat.example.org`. */
  readonly url: string
  /**
   * The session's token, asked for at each request. `refused` is a token that the server has just refused: a function
   * that knows how may sign in again. To return the same token ends the matter.
   */
  readonly token?: ((refused?: string) => string | Promise<string>) | undefined
  /** Instead of the global `fetch`. */
  readonly fetch?: Fetch | undefined
}

export interface Call {
  readonly method: string
  /** Below the server's URL. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** To be sent as JSON. */
  readonly body?: unknown
  /** The request needs no session. */
  readonly isPublic?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Sends requests in the name of one session. */
export class Http {
  readonly #url: string
  readonly #token: HttpOptions["token"]
  readonly #fetch: Fetch

  constructor({ fetch, token, url }: HttpOptions) {
    this.#url = url.replace(/\/+$/, "")
    this.#token = token
    this.#fetch = fetch ?? ((url, init) => globalThis.fetch(url, init))
  }

  /**
   * Resolves with a successful response. Rejects with a {@link ProblemError}, a {@link ConnectionError}, or the reason of an
   * aborted `signal`. A token that is refused is replaced once.
   */
  async request(call: Call): Promise<Response> {
    const token = call.isPublic === true ? undefined : await this.#token?.()
    let response = await this.#send(call, token)
    if (response.status === 401 && token !== undefined) {
      const next = await this.#token?.(token)
      if (next !== undefined && next !== token) {
        await response.body?.cancel()
        response = await this.#send(call, next)
      }
    }
    if (!response.ok) throw await problemOfResponse(response)
    return response
  }

  async #send({ body, headers, method, path, signal }: Call, token: string | undefined): Promise<Response> {
    // The token, or an earlier step, may have taken its time.
    signal?.throwIfAborted()
    try {
      return await this.#fetch(this.#url + path, {
        method,
        headers: {
          ...headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" })
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal })
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw new ConnectionError(error)
    }
  }
}
