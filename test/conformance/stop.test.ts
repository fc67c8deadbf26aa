import { assert, it } from "@effect/vitest"
import { atOnce, twoPeople } from "../../src/conformance/Client.ts"
import { processConformance } from "./server.ts"
import { subscribe } from "../../src/conformance/Stream.ts"

processConformance("A server that stops", (start) => {
  it("ends its streams between updates, and exits with 0 within seconds", async () => {
    const server = await start()
    const { ada, grace, conversation, messages } = await twoPeople(server)
    await using quiet = await subscribe(grace, messages)
    await using busy = await subscribe(ada, messages)
    for (const stream of [quiet, busy]) await stream.snapshot()
    const sending = Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => ada.send(conversation, `${index}: ${"x".repeat(5_000)}`))
    )
    await busy.appendsAfter(0, 1)
    const began = performance.now()
    await server.kill("SIGTERM")

    for (const stream of [quiet, busy]) {
      // This fails if an update is cut in two, or the connection without the end of the body.
      for (let event = await stream.next(); event !== undefined; event = await stream.next()) {
        assert.notStrictEqual(event._tag, "Malformed")
      }
      assert.isTrue(stream.head.complete)
      // Heartbeats may follow the last update.
      assert.isTrue(stream.bytes.toString("latin1").trimEnd().endsWith("}"))
    }
    assert.strictEqual(await server.exit, 0, server.output())
    assert.isBelow(performance.now() - began, 10_000)
    const answered = (await sending).flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))

    const next = await server.startAgain()
    assert.strictEqual(next.url, server.url)
    await using stream = await subscribe(grace, messages, { parents: "" })
    await stream.snapshot()
    const { body } = await grace.get<{ head: number }>(conversation)
    const stored = await stream.appendsAfter(0, body.head)
    assert.includeDeepMembers([...stored], answered)
  })

  it("exits with 0 while a client does not read its stream", async () => {
    const server = await start()
    const { ada, grace, conversation, messages } = await twoPeople(server)
    await using stalled = await subscribe(grace, messages)
    await atOnce(200, () => ada.send(conversation, "x".repeat(65_000)))
    const began = performance.now()
    await server.kill("SIGTERM")
    assert.strictEqual(await server.exit, 0, server.output())
    assert.isBelow(performance.now() - began, 10_000)
    assert.strictEqual(stalled.head.statusCode, 209)
  })
})
