import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { TestServer, type TestUser } from "../../src/testing/index.ts"
import { isDeepStrictEqual } from "node:util"
import { call } from "../friends/caller.ts"
import { teller, type Told } from "../messages/picture.ts"
import type { Encoding, Source } from "../../src/conformance/Subscriber.ts"

/** An inbox as a client reads it, or the changed part of it. */
export interface Page {
  readonly conversationIds: ReadonlyArray<string>
  readonly conversations: Readonly<Record<string, unknown>>
  readonly conversationsCursor?: string | null
  readonly friends?: ReadonlyArray<unknown>
  readonly friendsCursor?: string | null
  readonly requests?: ReadonlyArray<unknown>
  readonly requestsCursor?: string | null
  readonly blocks?: ReadonlyArray<unknown>
  readonly blocksCursor?: string | null
}

export const told = teller((parts): Page => {
  const conversations: Record<string, unknown> = {}
  const lists: Record<string, unknown> = {}
  for (const { contentRange, value } of parts) {
    const [, list = "", id] =
      /^json \.(conversations|conversationIds|(?:friends|requests|blocks)(?:Cursor)?)(?:\["([0-9a-f-]{36})"\])?$/.exec(
        contentRange
      ) ?? assert.fail(contentRange)
    if (id === undefined) lists[list] = value
    else conversations[id] = value
  }
  return { conversationIds: [], conversations, ...lists }
})

/** A subscriber and their copy. */
export class Subscriber {
  version: string | undefined
  page: Page | undefined
  private readonly leaving = new AbortController()
  private readonly source: AsyncGenerator<Told<Page>>

  constructor(source: Source, encoding: Encoding, from?: Pick<Subscriber, "version" | "page">) {
    this.version = from?.version
    this.page = from?.page
    this.source = told(source, encoding, this.version, this.leaving.signal)
  }

  /** Takes the next update. */
  async next(): Promise<Page> {
    const { done, value } = await this.source.next()
    assert(done !== true, "the stream ended")
    const { change, parents, snapshot, version } = value
    assert.notStrictEqual(version, this.version)
    if (snapshot !== undefined) {
      this.page = snapshot
    } else {
      if (parents !== undefined) assert.deepStrictEqual(parents, [`${this.version}`])
      assert(change !== undefined && this.page !== undefined)
      const known: Readonly<Record<string, unknown>> = { ...this.page.conversations, ...change.conversations }
      const conversations = Object.fromEntries(change.conversationIds.map((id) => [id, known[id]]))
      this.page = { ...this.page, ...change, conversations }
    }
    this.version = version
    return this.page
  }

  /** Takes updates until the copy is this. */
  async reach(page: Page): Promise<void> {
    while (!isDeepStrictEqual(this.page, page)) await this.next()
  }

  async leave(): Promise<void> {
    this.leaving.abort()
    await this.source.return(undefined)
  }
}

/** Subscribes until the scope closes. */
export const subscribe = Effect.fnUntraced(function* (
  { token }: TestUser,
  encoding: Encoding,
  from?: Pick<Subscriber, "version" | "page">
) {
  const { baseUrl, fetch } = yield* TestServer
  return yield* Effect.acquireRelease(
    Effect.sync(() => new Subscriber({ fetch, url: `${baseUrl}/api/inbox`, token }, encoding, from)),
    (subscriber) => Effect.promise(() => subscriber.leave())
  )
})

/** The answer to a plain GET. */
export const inboxOf = (user: TestUser) => Effect.map(call(user, "GET", "/inbox"), ({ body }) => body as Page)
