import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import type { Browser, BrowserContext, Page } from "playwright-core"
import { TestDatabase } from "../../src/testing/index.ts"
import { type Page as MessagePage, twoPeople } from "../../src/conformance/Client.ts"
import { startServer } from "../serverProcess.ts"
import { bundle, root } from "./bundle.ts"
import { launch, serveFiles } from "./chromium.ts"

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
})

/** A page that shows `examples/chat.html`. */
class Tab {
  readonly page: Page
  /** The streams and the sends that the page has requested. */
  readonly streams: Array<string> = []
  readonly sends: Array<string> = []
  readonly errors: Array<string> = []

  constructor(page: Page) {
    this.page = page
    page.on("pageerror", (error) => this.errors.push(String(error)))
    page.on("request", (request) => {
      if (!request.url().includes("/messages")) return
      if (request.method() === "GET") this.streams.push(request.url())
      if (request.method() === "PUT") this.sends.push(request.url())
    })
  }

  async send(text: string): Promise<void> {
    await this.page.fill("input", text)
    await this.page.press("input", "Enter")
  }

  /** Waits until the page shows these messages, of which those on their way have an ellipsis. */
  async shows(...texts: ReadonlyArray<string>): Promise<void> {
    await vi.waitFor(
      async () => {
        const shown = await this.page
          .locator("li")
          .evaluateAll((items) =>
            items.map(({ className, textContent }) => `${textContent}${className === "pending" ? "…" : ""}`)
          )
        assert.deepStrictEqual(shown, texts)
      },
      { timeout: 60_000, interval: 100 }
    )
  }

  async is(state: string): Promise<void> {
    await vi.waitFor(async () => assert.strictEqual(await this.page.textContent("#state"), state), {
      timeout: 60_000,
      interval: 100
    })
  }
}

interface World {
  readonly context: BrowserContext
  readonly open: () => Promise<Tab>
  /** The address of the server, which the page may reach from another origin. */
  readonly api: string
  readonly stored: () => Promise<ReadonlyArray<string>>
  readonly post: (content: string) => Promise<unknown>
}

const inBrowser = (test: (world: World) => Promise<void>) =>
  Effect.gen(function* () {
    const files = yield* Effect.acquireRelease(
      Effect.promise(async () =>
        serveFiles({
          "/chat.html": await readFile(`${root}examples/chat.html`, "utf8"),
          "/client.js": bundle("src/client/index.ts")
        })
      ),
      (files) => Effect.promise(() => files[Symbol.asyncDispose]())
    )
    const { baseUrl } = yield* startServer("node", (yield* TestDatabase).url, { CORS_ORIGINS: files.origin })
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext()),
      (context) => Effect.promise(() => context.close())
    )
    yield* Effect.promise(async () => {
      const { ada, conversation, grace, messages } = await twoPeople({ url: baseUrl })
      const settings = { url: baseUrl, token: ada.token ?? "", userId: ada.id }
      const hash = new URLSearchParams({ ...settings, conversationId: conversation.replace(/.*\//, "") })
      await test({
        context,
        api: `${baseUrl}/**`,
        open: async () => {
          const tab = new Tab(await context.newPage())
          await tab.page.goto(`${files.origin}/chat.html#${hash}`)
          return tab
        },
        stored: async () => {
          const { body } = await grace.get<MessagePage>(messages)
          return body.messages.map(({ content }) => content)
        },
        post: (content) => grace.put(`${messages}/${crypto.randomUUID()}`, { content })
      })
    })
  }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))

describe("the client in Chromium, against a server of another origin", () => {
  it.live("holds one stream for two tabs, and goes on in the second when the first is closed", () =>
    inBrowser(async ({ open, post, stored }) => {
      const first = await open()
      await first.is("live")
      const second = await open()
      await second.is("live")
      await first.send("one")
      for (const tab of [first, second]) await tab.shows("one")
      await second.send("two")
      await first.shows("one", "two")
      await post("three")
      for (const tab of [first, second]) await tab.shows("one", "two", "three")
      assert.deepStrictEqual([first.streams.length, second.streams.length], [1, 0])
      assert.deepStrictEqual([first.sends.length, second.sends.length], [2, 0])

      await first.page.close()
      await vi.waitFor(() => assert.lengthOf(second.streams, 1), { timeout: 60_000 })
      await second.is("live")
      await post("four")
      await second.send("five")
      await second.shows("one", "two", "three", "four", "five")
      assert.deepStrictEqual(await stored(), ["one", "two", "three", "four", "five"])
      assert.deepStrictEqual([...first.errors, ...second.errors], [])
    })
  )

  it.live("loses and doubles nothing when the tab that sends crashes", () =>
    inBrowser(async ({ api, context, open, stored }) => {
      const first = await open()
      await first.is("live")
      const second = await open()
      await second.is("live")
      await first.send("one")
      await second.shows("one")
      let isCut = true
      await context.route(api, (route) =>
        isCut && route.request().method() === "PUT" ? route.abort() : route.fallback()
      )
      await first.send("two")
      await second.send("three")
      for (const tab of [first, second]) await tab.shows("one", "two…", "three…")
      const crashed = new Promise((resolve) => first.page.on("crash", resolve))
      const session = await context.newCDPSession(first.page)
      session.send("Page.crash").catch(() => {})
      await crashed
      isCut = false
      await second.shows("one", "two", "three")
      await second.is("live")
      assert.deepStrictEqual(await stored(), ["one", "two", "three"])
    })
  )

  it.live("goes on in another tab when the one that leads is frozen", () =>
    inBrowser(async ({ context, open, post, stored }) => {
      const first = await open()
      await first.is("live")
      const second = await open()
      await second.is("live")
      const session = await context.newCDPSession(first.page)
      await session.send("Debugger.enable")
      await session.send("Debugger.pause")
      await second.send("one")
      await post("two")
      await vi.waitFor(() => assert.lengthOf(second.streams, 1), { timeout: 60_000 })
      await vi.waitFor(async () => assert.sameMembers([...(await stored())], ["one", "two"]), { timeout: 60_000 })
      await second.shows(...(await stored()))
      await session.send("Debugger.disable")
      await first.shows(...(await stored()))
      await first.send("three")
      await second.shows(...(await stored().then((texts) => texts.filter((text) => text !== "three"))), "three")
    })
  )

  it.live("sends what was on its way before a reload, and follows the network of the browser", () =>
    inBrowser(async ({ api, context, open, post, stored }) => {
      const tab = await open()
      await tab.is("live")
      await context.route(api, (route) => route.abort())
      await tab.send("two")
      await tab.send("three")
      await tab.shows("two…", "three…")
      await tab.page.reload()
      await tab.shows("two…", "three…")
      await post("one")
      await context.unroute(api)
      await tab.shows("one", "two", "three")

      await tab.is("live")
      await context.setOffline(true)
      await tab.is("offline")
      await tab.send("four")
      await post("five")
      await tab.shows("one", "two", "three", "four…")
      await context.setOffline(false)
      await tab.is("live")
      await tab.shows("one", "two", "three", "five", "four")
      assert.deepStrictEqual(await stored(), ["one", "two", "three", "five", "four"])
      assert.deepStrictEqual(tab.errors, [])
    })
  )
})
