import { assert } from "../Assert.ts"
import { each, type Subject } from "../Subject.ts"
import { randomUUID } from "node:crypto"
import { atOnce, Client, Person, newConversation, type Message, type Page } from "../Client.ts"
import { messageOf, open, pageOf, subscribe } from "../Stream.ts"

export const subscriptions: Subject = {
  name: "Subscriptions",
  document: "docs/streaming.md",
  promises: {
    "the head is a 209 that proxies neither buffer nor compress": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await ada.send(conversation, "Hello")
      await using stream = await subscribe(ada, messages, { "accept-encoding": "gzip, br, deflate" })
      const { headers, httpVersion } = stream.head
      assert.strictEqual(httpVersion, "1.1")
      assert.deepInclude(headers, {
        subscribe: "true",
        "content-type": "application/http-history",
        "current-version": '"1"',
        "cache-control": "no-cache, no-store, no-transform",
        "x-accel-buffering": "no",
        "transfer-encoding": "chunked"
      })
      const vary = headers.vary?.split(", ").map((name) => name.toLowerCase())
      assert.includeMembers(vary ?? [], ["version", "parents", "subscribe", "authorization"])
      for (const name of ["content-length", "content-encoding", "heartbeats"]) assert(!(name in headers), name)
    },

    "the body is a blank line, the snapshot, and then each message": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await ada.send(conversation, "héllo")
      const { text: page } = await ada.get<Page>(messages)

      await using stream = await subscribe(ada, messages)
      await stream.snapshot()
      await ada.send(conversation, "a line\r\n\r\nHTTP 200 OK\r\nand 😀")
      const [update] = await stream.updates(1)
      assert(update?._tag === "Patches")
      const appended = Buffer.from(update.patches[0]?.content ?? "").toString()
      assert.deepInclude(JSON.parse(appended) as object, { seq: 2, content: "a line\r\n\r\nHTTP 200 OK\r\nand 😀" })

      const expected = [
        "\r\n",
        'HTTP 200 OK\r\nVersion: "1"\r\nParents: \r\nContent-Type: application/json\r\n',
        `Content-Length: ${Buffer.byteLength(page)}\r\n\r\n${page}\r\n\r\n`,
        'HTTP 200 OK\r\nVersion: "2"\r\nParents: "1"\r\nContent-Type: application/json\r\n',
        "Content-Range: json .messages[-0:-0]\r\n",
        `Content-Length: ${Buffer.byteLength(appended)}\r\n\r\n${appended}\r\n\r\n`
      ].join("")
      // The last line ends may not have arrived yet.
      while (stream.bytes.length < Buffer.byteLength(expected)) await stream.next()
      assert.strictEqual(stream.bytes.toString(), expected)
    },

    "the snapshot equals the page of a plain GET": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await atOnce(60, (index) => ada.send(conversation, `number ${index}`))
      const page = await grace.get<Page>(messages)
      await using stream = await subscribe(grace, messages)
      const snapshot = await stream.snapshot()
      assert.deepStrictEqual(pageOf(snapshot), page.body)
      assert.deepStrictEqual(snapshot.version, ["60"])
      assert.deepStrictEqual(snapshot.parents, [])
      assert.strictEqual(stream.head.headers["current-version"], page.headers.get("version"))
    },

    "both receive every message once and in order, including their own": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await using adas = await subscribe(ada, messages)
      await using graces = await subscribe(grace, messages)
      for (const stream of [adas, graces]) assert.deepStrictEqual(pageOf(await stream.snapshot()).messages, [])
      const sent = await atOnce(60, (index) => (index % 2 === 0 ? ada : grace).send(conversation, `number ${index}`))
      // Receipts are left out: they depend on whether the other had answered by then, which also reads.
      const asPosted = (message: Message) => ({ ...message, isDelivered: false, isRead: false })
      const inOrder = sent.toSorted((a, b) => a.seq - b.seq).map(asPosted)
      for (const stream of [adas, graces]) {
        assert.deepStrictEqual((await stream.appendsAfter(0, 60)).map(asPosted), inOrder)
      }
    },

    // A delay of a second for each message would take longer than the time-out.
    "a message arrives as soon as it is sent": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await using stream = await subscribe(grace, messages)
      await stream.snapshot()
      for (let position = 0; position < 20; position++) {
        const sent = await ada.send(conversation, "now")
        assert.deepStrictEqual(await stream.appendsAfter(position, 1), [sent])
      }
    },

    "a message sent twice arrives once": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await using stream = await subscribe(grace, messages)
      await stream.snapshot()
      const id = randomUUID()
      await atOnce(10, () => ada.put(`${messages}/${id}`, { content: "again" }))
      const last = await ada.send(conversation, "last")
      const received = await stream.appendsAfter(0, 2)
      assert.deepStrictEqual(
        received.map((message) => message.id),
        [id, last.id]
      )
    },

    "messages sent while the subscription opens come in the snapshot or after it": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const sending = atOnce(40, (index) => ada.send(conversation, `number ${index}`))
      const streams = await atOnce(8, () => subscribe(grace, messages))
      await sending
      for (const stream of streams) {
        await using _ = stream
        const { messages } = pageOf(await stream.snapshot())
        const appended = await stream.appendsAfter(messages.length, 40 - messages.length)
        assert.deepStrictEqual(
          [...messages, ...appended].map(({ seq }) => seq),
          Array.from({ length: 40 }, (_, index) => index + 1)
        )
      }
    },

    "a subscriber that stops reading for a while misses nothing": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await using stream = await subscribe(grace, messages)
      const sender = (index: number) => (index % 2 === 0 ? ada : grace)
      // More bytes than the sockets hold, and more messages than a server should keep for one reader.
      await atOnce(120, (index) => sender(index).send(conversation, "x".repeat(65_000)))
      await atOnce(150, (index) => sender(index).send(conversation, `number ${index}`))
      await atOnce(150, (index) => sender(index).send(conversation, `number ${150 + index}`))
      const snapshot = await stream.snapshot()
      await stream.appendsAfter(Number(snapshot.version[0]), 420 - Number(snapshot.version[0]))
    },

    "a quiet stream has heartbeats at the requested interval": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await using stream = await subscribe(ada, messages, { heartbeats: "1" })
      assert.strictEqual(stream.head.headers.heartbeats, "1s")
      await stream.heartbeat()
      await stream.snapshot()
      for (let beats = 0; beats < 2; beats++) {
        const before = performance.now()
        await stream.heartbeat()
        assert.isAbove(performance.now() - before, 500)
      }
      await ada.send(conversation, "still there")
      assert.strictEqual((await stream.appendsAfter(0, 1))[0]?.content, "still there")
    },

    "the interval of heartbeats is kept within a second and a minute": each(
      [
        ["0.1", "1s"],
        ["0", "1s"],
        ["7s", "7s"],
        ["3600", "60s"]
      ] as const,
      async (server, [asked, used]) => {
        const { ada, messages } = await newConversation(server)
        await using stream = await subscribe(ada, messages, { heartbeats: asked })
        assert.strictEqual(stream.head.headers.heartbeats, used)
      }
    ),

    "`Subscribe` subscribes with every value but `false` and `?0`": each(
      ["true", "?1", "keep-alive", ""] as const,
      async (server, value) => {
        const { ada, messages } = await newConversation(server)
        await using stream = await subscribe(ada, messages, { subscribe: value })
        await stream.snapshot()
      }
    ),

    "`Subscribe: false` and `?0` get a plain page": each(["false", "?0", "False"] as const, async (server, value) => {
      const { ada, conversation, messages } = await newConversation(server)
      await ada.send(conversation, "Hello")
      const answer = await ada.get<Page>(messages, { subscribe: value })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.body.messages.length, 1)
    }),

    "HEAD is answered like GET, without a body": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await ada.send(conversation, "Hello")
      const head = await ada.request("HEAD", messages)
      assert.strictEqual(head.status, 200)
      assert.strictEqual(head.text, "")
      const get = await ada.get<Page>(messages)
      for (const name of ["content-type", "version"]) assert.strictEqual(head.headers.get(name), get.headers.get(name))

      await using stream = await open(ada, messages, { subscribe: "true" }, "HEAD")
      assert.strictEqual(stream.head.statusCode, 209)
      assert.strictEqual(stream.head.headers["current-version"], '"1"')
      assert.strictEqual(await stream.next(), undefined)
      assert.strictEqual(stream.bytes.length, 0)
    },

    "a client that may not subscribe gets a problem, and no byte of a stream": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await ada.send(conversation, "secret")
      const eve = await Person.signUp(server)
      for (const headers of [{ subscribe: "true" }, { subscribe: "true", parents: "" }]) {
        const outsider = await eve.get(messages, headers)
        assert.strictEqual(outsider.status, 404)
        const nobody = await new Client(server).get(messages, headers)
        assert.strictEqual(nobody.status, 401)
        for (const { headers, text } of [outsider, nobody]) {
          assert.notInclude(text, "secret")
          for (const name of ["current-version", "version", "subscribe"]) assert.strictEqual(headers.has(name), false)
        }
      }
    },

    "headers that contradict each other or cannot be read are 400, and the server lives": each(
      [
        ["`Version` with `Subscribe`", { version: '"1"', subscribe: "true" }],
        ["a `Version` without quotes", { version: "abc" }],
        ["a `Version` that is not ended", { version: '"abc' }],
        ["`Parents` without quotes", { parents: "abc", subscribe: "true" }],
        ["`Parents` that are no strings", { parents: "[[[1]]]", subscribe: "true" }],
        ["too many `Parents`", { parents: Array(65).fill('"1"').join(","), subscribe: "true" }],
        ["a too long `Parents`", { parents: `"${"1".repeat(201)}"`, subscribe: "true" }],
        ["`Heartbeats` that are no number", { heartbeats: "often", subscribe: "true" }]
      ] as const,
      async (server, [, headers]) => {
        const { ada, messages } = await newConversation(server)
        const answer = await ada.get(messages, headers)
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(answer.body.type, "MalformedRequest")
        assert.strictEqual((await ada.get(messages)).status, 200)
      }
    ),

    "heartbeats never come inside an update": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await using stream = await subscribe(ada, messages, { heartbeats: "1" })
      await stream.snapshot()
      await stream.heartbeat()
      for (let seq = 1; seq <= 3; seq++) {
        await ada.send(conversation, "x".repeat(60_000))
        const [update] = await stream.updates(1)
        assert(update?._tag === "Patches")
        assert.strictEqual(messageOf(update).seq, seq)
      }
      await stream.heartbeat()
    }
  }
}
