import { assert } from "../Assert.ts"
import { ask as askServer } from "../Server.ts"
import { each, type Subject } from "../Subject.ts"
import { randomUUID } from "node:crypto"
import { ask, Copy, sourceOf, encodings, get, poll, Refused, told, type Encoding, type Source } from "../Subscriber.ts"
import { assertMatches } from "../Documented.ts"
import { atOnce, Person, newConversation, type Page } from "../Client.ts"

/** Reads the body of a response, as text, to the expected length. */
const readText = async ({ body }: Response, expected: string): Promise<string> => {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length >= expected.length) break
  }
  return text
}

/** Follows a conversation from a copy to a version. */
const follow = async (from: Source, encoding: Encoding, copy: Copy, version: string | undefined): Promise<Copy> => {
  const leaving = new AbortController()
  for await (const update of told(from, encoding, copy.version, leaving.signal)) {
    copy = copy.with(update)
    if (copy.version === version) break
  }
  leaving.abort()
  assert.strictEqual(copy.version, version)
  return copy
}

/** The status of a refused subscription. */
const refusal = async (subscribed: Promise<unknown>): Promise<number> => {
  const outcome = await subscribed.catch((error: unknown) => error)
  assert(outcome instanceof Refused, "it was not refused")
  return outcome.status
}

const nothing = new Copy(undefined, [])

export const encodingsOfStreams: Subject = {
  name: "The encodings of a stream",
  document: "docs/streaming.md",
  promises: {
    "comes in the lines and events that the document describes": async (server) => {
      const { ada, messages } = await newConversation(server)
      await ada.put(`${messages}/${randomUUID()}`, { content: "one" })
      const read = async (accept: string, end: string, updates: number) => {
        const leaving = new AbortController()
        const { body } = await askServer(server, messages, {
          headers: { ...ada.authorization, accept },
          signal: leaving.signal
        })
        assert(body !== null)
        let text = ""
        for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
          text += chunk
          if (text.split(end).length > updates) break
        }
        leaving.abort()
        return text.split(end).slice(0, updates)
      }
      const [start, ...lines] = await read("application/x-ndjson", "\n", 2)
      for (const line of [start, ...lines])
        assertMatches(JSON.parse(line ?? ""), "components", "schemas", "MessageLine")
      assert("snapshot" in JSON.parse(lines[0] ?? ""))
      const [event = ""] = await read("text/event-stream", "\n\n", 1)
      const fields = event.split("\n").flatMap((line) => {
        const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? []
        return name === undefined ? [] : [[name, value] as const]
      })
      assertMatches(Object.fromEntries(fields), "components", "schemas", "MessageEvent")
    },

    "events and lines: a sign of life, the page of a plain GET, and then each message as it comes, and receipts": each(
      [
        [
          "events",
          "text/event-stream; charset=utf-8",
          ":\n",
          (version: number, page: string) => `event: snapshot\nid: ${version}\ndata: ${page}\n\n`,
          (version: number, message: string) => `event: message\nid: ${version}\ndata: ${message}\n\n`,
          (version: number, receipts: string) => `event: receipts\nid: ${version}\ndata: ${receipts}\n\n`
        ],
        [
          "lines",
          "application/x-ndjson",
          "{}\n",
          (version: number, page: string) => `{"version":"${version}","snapshot":${page}}\n`,
          (version: number, message: string) => `{"version":"${version}","message":${message}}\n`,
          (_: number, receipts: string) => `{"receipts":${receipts}}\n`
        ]
      ] as const,
      async (server, [encoding, contentType, life, snapshot, message, receipts]) => {
        const { ada, conversation, messages } = await newConversation(server)
        await ada.send(conversation, "héllo\r\n\r\n")
        const { text: page } = await ada.get(messages)
        const leaving = new AbortController()
        const answer = await ask(sourceOf(ada, messages), encoding, undefined, leaving.signal)
        assert.strictEqual(answer.headers.get("content-type"), contentType)
        assert.strictEqual(answer.headers.get("cache-control"), "no-cache, no-store, no-transform")
        assert.strictEqual(answer.headers.get("x-accel-buffering"), "no")
        assert.strictEqual(answer.headers.has("content-length"), false)
        const vary = answer.headers.get("vary")?.toLowerCase().split(", ")
        assert.includeMembers(vary ?? [], ["accept", "authorization"])

        const next = await ada.send(conversation, "data: \n\nid: 9\n\u2028\u2029\u0085😀")
        const { text } = await ada.get(`${messages}/${next.id}`)
        const sent = text.replace("\u2028\u2029\u0085", "\\u2028\\u2029\\u0085")
        assert.notStrictEqual(sent, text)
        const list = JSON.stringify((await ada.get<Page>(messages)).body.receipts)
        const expected = life + snapshot(1, page) + message(2, sent) + receipts(2, list)
        assert.strictEqual(await readText(answer, expected), expected)
        leaving.abort()
      }
    ),

    "a quiet stream of events or lines has heartbeats at the requested interval": each(
      [
        ["text/event-stream", ":\n", (list: string) => `event: receipts\nid: 0\ndata: ${list}\n\n`],
        ["application/x-ndjson", "{}\n", (list: string) => `{"receipts":${list}}\n`]
      ] as const,
      async (server, [accept, life, receipts]) => {
        const { ada, messages } = await newConversation(server)
        const { body } = await ada.get<Page>(messages)
        const expected = life + receipts(JSON.stringify(body.receipts)) + life
        const answer = await askServer(server, `${messages}?after=0`, {
          headers: { ...ada.authorization, accept: `text/html;q=0.5, ${accept};q=0.9`, heartbeats: "1" }
        })
        assert.strictEqual(await readText(answer, expected), expected)
      }
    ),

    "a long poll returns at once with everything that is new": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const sent = [await ada.send(conversation, "one"), await ada.send(conversation, "two")]
      const began = performance.now()
      const graces = sourceOf(grace, messages)
      assert.deepStrictEqual((await poll(graces, "60s", undefined)).updates[0]?.snapshot?.messages.length, 2)
      const { updates, version } = await poll(graces, "60s", "0")
      assert.strictEqual(version, "2")
      assert.deepStrictEqual(
        updates.map(({ message, version }) => [version, message?.id]),
        sent.map(({ id, seq }) => [`${seq}`, id])
      )
      assert.isBelow(performance.now() - began, 30_000)
    },

    "a long poll waits for news until its time is over": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await ada.send(conversation, "one")
      const began = performance.now()
      const { updates: none, version: same } = await poll(sourceOf(grace, messages), "2s", "1")
      assert.deepStrictEqual([none, same], [[], "1"])
      assert.isAbove(performance.now() - began, 1_500)

      const polled = poll(sourceOf(grace, messages), "60s", "1")
      const { id } = await ada.send(conversation, "two")
      const { updates, version } = await polled
      assert.deepStrictEqual([version, updates.length, updates[0]?.message?.id], ["2", 1, id])
    },

    "edits, reactions and deletions arrive live, and after a resume from any version": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const graces = sourceOf(grace, messages)
      const live = encodings.map((encoding) => follow(graces, encoding, new Copy("0", []), "6"))

      const copies = [new Copy("0", [])]
      const did = async () => void copies.push(await get(graces))
      const [first, second] = [await ada.send(conversation, "frist"), await grace.send(conversation, "second")]
      await did()
      const change = async (person: Person, method: string, path: string, json?: unknown) => {
        const answer = await person.request(method, `${messages}/${path}`, json === undefined ? {} : { json })
        assert.isBelow(answer.status, 300, answer.text)
        await did()
      }
      await change(ada, "PATCH", first.id, { content: "first" })
      await change(grace, "PUT", `${first.id}/reactions/${encodeURIComponent("👍")}`)
      await change(grace, "DELETE", second.id)
      await change(grace, "DELETE", `${first.id}/reactions/${encodeURIComponent("👍")}`)

      const last = copies.at(-1) ?? assert.fail("no copy")
      assert.deepStrictEqual(last.version, "6")
      const [edited, erased] = last.messages
      assert.deepInclude(edited, { seq: 1, version: 6, content: "first", reactions: [] })
      assert.deepInclude(erased, { seq: 2, version: 5, content: null })
      for (const time of [edited?.editedAt, erased?.deletedAt])
        assert.strictEqual(Number.isNaN(Date.parse(time ?? "")), false)
      assert.deepInclude(copies.find(({ version }) => version === "4")?.messages[0], {
        reactions: [{ emoji: "👍", count: 1, userIds: [grace.id] }]
      })

      for (const copy of await Promise.all(live)) assert.deepStrictEqual(copy.log, last.log)
      for (const encoding of encodings) {
        for (const copy of [nothing, ...copies.slice(0, -1)]) {
          assert.deepStrictEqual((await follow(graces, encoding, copy, "6")).log, last.log)
        }
      }
    },

    "a client that changes its encoding resumes where it was": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const graces = sourceOf(grace, messages)
      let copy = nothing
      for (const encoding of [...encodings, ...encodings.toReversed()]) {
        await atOnce(3, (index) => ada.send(conversation, `number ${index}`))
        const fresh = await get(graces)
        copy = await follow(graces, encoding, copy, fresh.version)
        assert.deepStrictEqual(copy.log, fresh.log)
      }
      assert.strictEqual(copy.messages.length, 24)
    },

    "`Last-Event-ID` takes precedence over `?after=` of the first request": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await atOnce(3, (index) => ada.send(conversation, `number ${index}`))
      const answer = await askServer(server, `${messages}?after=0`, {
        headers: { ...ada.authorization, accept: "text/event-stream", "last-event-id": "2" }
      })
      const expected = ":\nevent: message\nid: 3\n"
      assert.strictEqual((await readText(answer, expected)).slice(0, expected.length), expected)
    },

    "an unknown `Last-Event-ID` gets a snapshot": each(
      ["999999", "nonsense", "-1", "1e3", ""] as const,
      async (server, id) => {
        const { ada, grace, conversation, messages } = await newConversation(server)
        await ada.send(conversation, "Hello")
        const graces = sourceOf(grace, messages)
        assert.deepStrictEqual((await follow(graces, "events", new Copy(id, []), "1")).log, (await get(graces)).log)
      }
    ),

    "an invalid `wait` or `after` is 422": each(
      [
        "?wait=0s",
        "?wait=61s",
        "?wait=20",
        "?wait=",
        "?wait=-1s",
        "?wait=1m",
        "?after=x&wait=1s",
        "?after=-1"
      ] as const,
      async (server, query) => {
        const { ada, messages } = await newConversation(server)
        const answer = await ada.get(messages + query)
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(answer.body.type, "ValidationFailed")
        assert.strictEqual(answer.body.errors?.[0]?.path[0], "query")
      }
    ),

    "`Accept` of anything is a plain page": async (server) => {
      const { ada, messages } = await newConversation(server)
      for (const accept of ["*/*", "application/json", "text/html, */*;q=0.8"]) {
        const answer = await ada.get(messages, { accept })
        assert.strictEqual(answer.headers.get("content-type"), "application/json")
      }
    },

    "a client that may not subscribe gets a problem, and no byte of a stream": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await ada.send(conversation, "secret")
      const eve = await Person.signUp(server)
      for (const headers of [{ accept: "text/event-stream" }, { accept: "application/x-ndjson" }, {}]) {
        const path = "accept" in headers ? messages : `${messages}?wait=20s`
        const answer = await eve.get(path, headers)
        assert.strictEqual(answer.status, 404)
        assert.notInclude(answer.text, "secret")
      }
      for (const encoding of encodings) {
        const nobody = { ...sourceOf(ada, messages), token: "x".repeat(43) }
        assert.strictEqual(await refusal(told(nobody, encoding).next()), 401)
      }
    }
  }
}
