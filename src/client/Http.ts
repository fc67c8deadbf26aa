import { ConnectionError, problemOfResponse } from "./Errors.ts"

/** The part of `fetch` that the client uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface HttpOptions {
  /** The server's URL, such as `https://chat.example.org`. */
  readonly url: string
  /**
   * Returns the session's token. It is called for each request. If the server refuses a token, it is called once more with that
   * token, and may sign in again. If it returns the same token, the request fails.
   */
  readonly token?: ((refused?: string) => string | Promise<string>) | undefined
  /** Used instead of the global `fetch`. */
  readonly fetch?: Fetch | undefined
}

export interface Call {
  readonly method: string
  /** The path below the server's URL, and the query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** A value that is sent as JSON. */
  readonly body?: unknown
  /** Values that are sent as lines of JSON. */
  readonly lines?: ReadonlyArray<unknown> | undefined
  /** The request needs no session. */
  readonly isPublic?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Sends the requests of one session. */
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

  async #send({ body, headers, lines, method, path, signal }: Call, token: string | undefined): Promise<Response> {
    // The signal may have been aborted during the wait for the token.
    signal?.throwIfAborted()
    const content =
      lines === undefined
        ? { type: "application/json", text: body === undefined ? undefined : JSON.stringify(body) }
        : { type: "application/x-ndjson", text: lines.map((line) => `${JSON.stringify(line)}\n`).join("") }
    try {
      return await this.#fetch(this.#url + path, {
        method,
        headers: {
          ...headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(content.text === undefined ? {} : { "content-type": content.type })
        },
        ...(content.text === undefined ? {} : { body: content.text }),
        ...(signal === undefined ? {} : { signal })
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw new ConnectionError(error)
    }
  }
}
