import { assert, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { atOnce, Client, Person, twoPeople, type Message, type Page } from "./client.ts"
import { conformance } from "./server.ts"
import { messageOf, open, pageOf, subscribe } from "./stream.ts"

conformance("Subscriptions", (server) => {
  it("the head is a 209 that proxies neither buffer nor compress", async () => {
    const { ada, conversation, messages } = await twoPeople(server)
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
    assert.doesNotHaveAnyKeys(headers, ["content-length", "content-encoding", "heartbeats"])
  })

  it("the body is a blank line, the snapshot, and then each message", async () => {
    const { ada, conversation, messages } = await twoPeople(server)
    await ada.send(conversation, "héllo")
    const { text: page } = await ada.get<Page>(messages)

    await using stream = await subscribe(ada, messages)
    await stream.snapshot()
    await ada.send(conversation, "a line\r\n\r\nHTTP 200 OK\r\nand 😀")
    const [update] = await stream.updates(1)
    assert(update?._tag === "Patches")
    const appended = Buffer.from(update.patches[0]!.content).toString()
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
  })

  it("the snapshot equals the page of a plain GET", async () => {
    const { ada, grace, conversation, messages } = await twoPeople(server)
    await atOnce(60, (index) => ada.send(conversation, `number ${index}`))
    const page = await grace.get<Page>(messages)
    await using stream = await subscribe(grace, messages)
    const snapshot = await stream.snapshot()
    assert.deepStrictEqual(pageOf(snapshot), page.body)
    assert.deepStrictEqual(snapshot.version, ["60"])
    assert.deepStrictEqual(snapshot.parents, [])
    assert.strictEqual(stream.head.headers["current-version"], page.headers.get("version"))
  })

  it("both receive every message once and in order, including their own", async () => {
    const { ada, grace, conversation, messages } = await twoPeople(server)
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
  })

  // A delay of a second for each message would take longer than the time-out.
  it("a message arrives as soon as it is sent", { timeout: 15_000 }, async () => {
    const { ada, grace, conversation, messages } = await twoPeople(server)
    await using stream = await subscribe(grace, messages)
    await stream.snapshot()
    for (let position = 0; position < 20; position++) {
      const sent = await ada.send(conversation, "now")
      assert.deepStrictEqual(await stream.appendsAfter(position, 1), [sent])
    }
  })

  it("a message sent twice arrives once", async () => {
    const { ada, grace, conversation, messages } = await twoPeople(server)
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
  })

  it("messages sent while the subscription opens come in the snapshot or after it", async () => {
    const { ada, grace, conversation, messages } = await twoPeople(server)
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
  })

  it("a subscriber that stops reading for a while misses nothing", async () => {
    const { ada, grace, conversation, messages } = await twoPeople(server)
    await using stream = await subscribe(grace, messages)
    // More bytes than the sockets hold, and more messages than a server should keep for one reader.
    await atOnce(120, () => ada.send(conversation, "x".repeat(65_000)))
    await atOnce(150, (index) => ada.send(conversation, `number ${index}`))
    await atOnce(150, (index) => ada.send(conversation, `number ${150 + index}`))
    const snapshot = await stream.snapshot()
    await stream.appendsAfter(Number(snapshot.version[0]), 420 - Number(snapshot.version[0]))
  })

  it("a quiet stream has heartbeats at the requested interval", async () => {
    const { ada, conversation, messages } = await twoPeople(server)
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
  })

  it.each([
    ["0.1", "1s"],
    ["0", "1s"],
    ["7s", "7s"],
    ["3600", "60s"]
  ])("the interval of heartbeats is kept within a second and a minute: %s becomes %s", async (asked, used) => {
    const { ada, messages } = await twoPeople(server)
    await using stream = await subscribe(ada, messages, { heartbeats: asked })
    assert.strictEqual(stream.head.headers.heartbeats, used)
  })

  it.each(["true", "?1", "keep-alive", ""])("`Subscribe: %s` subscribes", async (value) => {
    const { ada, messages } = await twoPeople(server)
    await using stream = await subscribe(ada, messages, { subscribe: value })
    await stream.snapshot()
  })

  it.each(["false", "?0", "False"])("`Subscribe: %s` is a plain page", async (value) => {
    const { ada, conversation, messages } = await twoPeople(server)
    await ada.send(conversation, "Hello")
    const answer = await ada.get<Page>(messages, { subscribe: value })
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.body.messages.length, 1)
  })

  it("HEAD is answered like GET, without a body", async () => {
    const { ada, conversation, messages } = await twoPeople(server)
    await ada.send(conversation, "Hello")
    const head = await ada.request("HEAD", messages)
    assert.strictEqual(head.status, 200)
    assert.strictEqual(head.text, "")
    const get = await ada.get<Page>(messages)
    for (const name of ["content-type", "version"]) assert.strictEqual(head.headers.get(name), get.headers.get(name))

    await using stream = await open(ada, messages, { subscribe: "true" }, "HEAD")
    assert.strictEqual(stream.head.statusCode, 209)
    assert.strictEqual(stream.head.headers["current-version"], '"1"')
    assert.isUndefined(await stream.next())
    assert.isEmpty(stream.bytes)
  })

  it("a client that may not subscribe gets a problem, and no byte of a stream", async () => {
    const { ada, conversation, messages } = await twoPeople(server)
    await ada.send(conversation, "secret")
    const eve = await Person.signUp(server)
    for (const headers of [{ subscribe: "true" }, { subscribe: "true", parents: "" }]) {
      const outsider = await eve.get(messages, headers)
      assert.strictEqual(outsider.status, 404)
      const nobody = await new Client(server).get(messages, headers)
      assert.strictEqual(nobody.status, 401)
      for (const { headers, text } of [outsider, nobody]) {
        assert.notInclude(text, "secret")
        for (const name of ["current-version", "version", "subscribe"]) assert.isFalse(headers.has(name))
      }
    }
  })

  it.each([
    ["`Version` with `Subscribe`", { version: '"1"', subscribe: "true" }],
    ["a `Version` without quotes", { version: "abc" }],
    ["a `Version` that is not ended", { version: '"abc' }],
    ["`Parents` without quotes", { parents: "abc", subscribe: "true" }],
    ["`Parents` that are no strings", { parents: "[[[1]]]", subscribe: "true" }],
    ["too many `Parents`", { parents: Array(65).fill('"1"').join(","), subscribe: "true" }],
    ["a too long `Parents`", { parents: `"${"1".repeat(201)}"`, subscribe: "true" }],
    ["`Heartbeats` that are no number", { heartbeats: "often", subscribe: "true" }]
  ])("%s: 400, and the server lives", async (_, headers) => {
    const { ada, messages } = await twoPeople(server)
    const answer = await ada.get(messages, headers)
    assert.strictEqual(answer.status, 400)
    assert.strictEqual(answer.body.type, "MalformedRequest")
    assert.strictEqual((await ada.get(messages)).status, 200)
  })

  it("heartbeats never come inside an update", async () => {
    const { ada, conversation, messages } = await twoPeople(server)
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
  })
})
