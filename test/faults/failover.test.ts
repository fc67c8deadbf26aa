import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { randomUUID } from "node:crypto"

import { twoPeople, type Message, type Page, type Person } from "../../src/conformance/Client.ts"
import { startServer } from "../serverProcess.ts"
import { encodings, toldOfLog, type Encoding, type Source, type Told } from "../../src/conformance/Subscriber.ts"
import { ownPostgres } from "./postgres.ts"

/** The updates from a version on until `count` updates are there. */
const first = async (source: Source, encoding: Encoding, from: string, count: number): Promise<ReadonlyArray<Told>> => {
  const leaving = new AbortController()
  const updates: Array<Told> = []
  for await (const update of toldOfLog(source, encoding, from, leaving.signal)) {
    updates.push(update)
    if (updates.length === count) break
  }
  leaving.abort()
  return updates
}

const contents = (messages: ReadonlyArray<{ readonly content: unknown }>) => messages.map(({ content }) => content)

interface InboxLine {
  readonly version?: string
  readonly snapshot?: { readonly conversations: Readonly<Record<string, { readonly head: number }>> }
}

describe.each(["taken over", "put back"] as const)("a database that loses commits under live clients, %s", (how) => {
  it.live(
    "ends its streams, and replaces copies of the lost part by a snapshot",
    () =>
      Effect.gen(function* () {
        const { keepMoment, loseMoment, url } = yield* ownPostgres
        const server = yield* startServer("node", url)
        const { ada, conversation, grace, messages } = yield* Effect.promise(() => twoPeople({ url: server.baseUrl }))
        const source: Source = { fetch: globalThis.fetch, url: server.baseUrl + messages, token: grace.token ?? "" }
        const send = (content: string) => Effect.promise(() => ada.send(conversation, content))
        const inboxVersion = Effect.promise(async () => {
          const { headers } = await grace.get("/api/inbox")
          return headers.get("version")?.replaceAll('"', "") ?? ""
        })
        const polledInbox = (after: string) =>
          Effect.promise(async () => {
            const { body } = await grace.get<{ updates: ReadonlyArray<InboxLine>; version: string }>(
              `/api/inbox?wait=1s&after=${after}`
            )
            return body
          })

        const kept = yield* send("kept")
        yield* keepMoment
        // The server has found the database again.
        const lost = yield* Effect.retry(
          Effect.tryPromise(() => ada.send(conversation, "lost 1")),
          Schedule.spaced("50 millis")
        )
        const live = encodings.map((encoding) => toldOfLog(source, encoding, `${kept.version}`))
        for (const updates of live) {
          const update = yield* Effect.promise(() => updates.next())
          assert.strictEqual(update.value?.version, `${lost.version}`)
        }
        yield* send("lost 2")
        const lostEdit = yield* Effect.promise(() =>
          ada.request<Message>("PATCH", `${messages}/${kept.id}`, { json: { content: "lost edit" } })
        )
        const lostVersion = lostEdit.headers.get("version")?.replaceAll('"', "") ?? ""
        assert.strictEqual(lostVersion, "4")
        const lostInbox = yield* inboxVersion

        yield* loseMoment(how)
        // An open stream ends between updates, before any update whose position now has another meaning. A long poll
        // has ended with its response.
        for (const [index, updates] of live.entries()) {
          if (encodings[index] === "poll") continue
          const seen: Array<string> = []
          yield* Effect.promise(async () => {
            for await (const { version } of updates) seen.push(version)
          })
          assert.deepStrictEqual(seen, ["3", "4"])
        }
        yield* server.line(/The database has lost commits/)

        // The new log passes the positions that were lost.
        const sent = ["new 1", "new 2", "new 3", "new 4", "new 5"]
        yield* Effect.forEach(sent, (content) => {
          const id = randomUUID()
          return Effect.retry(
            Effect.tryPromise(async () => {
              const { status } = await ada.put(`${messages}/${id}`, { content })
              assert.isBelow(status, 300)
            }),
            Schedule.spaced("50 millis")
          )
        })
        const now = yield* Effect.promise(() => grace.get<Page>(messages))
        assert.deepStrictEqual(contents(now.body.messages), ["kept", ...sent])
        const version = now.headers.get("version")?.replaceAll('"', "") ?? ""
        assert.match(version, /^[a-z0-9]+-6$/)

        for (const server of [source, yield* another(url, grace, messages)]) {
          for (const encoding of encodings) {
            for (const from of ["2", "3", lostVersion, "1"]) {
              const [update] = yield* Effect.promise(() => first(server, encoding, from, 1))
              assert(update !== undefined && "page" in update, `${encoding} from ${from}: no snapshot`)
              assert.deepStrictEqual(contents(update.page.messages), ["kept", ...sent])
              assert.strictEqual(update.version, version)
            }
            // A version of the new log resumes exactly.
            const after = yield* Effect.promise(() => first(server, encoding, version.replace("-6", "-4"), 2))
            assert.deepStrictEqual(
              after.map((update) => ("message" in update ? update.message.content : "a snapshot")),
              ["new 4", "new 5"]
            )
            assert.deepStrictEqual(
              after.map((update) => update.version),
              [version.replace("-6", "-5"), version]
            )
          }
        }

        const picture = yield* polledInbox(lostInbox)
        assert.isDefined(picture.updates[0]?.snapshot, "an inbox of lost commits gets a snapshot")
        assert.deepStrictEqual((yield* polledInbox(picture.version)).updates, [])

        const { headers } = yield* Effect.promise(() => ada.get(`${messages}/${kept.id}`))
        const edit = (parents: string) =>
          Effect.promise(() => ada.put(`${messages}/${kept.id}`, { content: "kept, and edited" }, { parents }))
        assert.strictEqual((yield* edit(`"000000000000-${kept.version}"`)).body.type, "StaleVersion")
        assert.strictEqual((yield* edit(headers.get("version") ?? "")).status, 200)
        const asked = yield* Effect.promise(() => grace.get(messages, { parents: `"${lostVersion}"` }))
        assert.strictEqual(asked.status, 432)
      }).pipe(Effect.scoped),
    180_000
  )
})

/** A person's subscriptions at a new server on the current database. */
const another = Effect.fnUntraced(function* (url: Parameters<typeof startServer>[1], person: Person, messages: string) {
  const { baseUrl } = yield* startServer("node", url)
  return { fetch: globalThis.fetch, url: baseUrl + messages, token: person.token ?? "" } satisfies Source
})
