import { assert } from "../Assert.ts"
import { each, type Subject } from "../Subject.ts"
import { atOnce, newConversation } from "../Client.ts"
import { pageOf, subscribe } from "../Stream.ts"

export const resume: Subject = {
  name: "Resuming",
  document: "docs/streaming.md",
  promises: {
    "`Parents` gets exactly the missing updates, and then the new ones": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const sent = await atOnce(9, (index) => ada.send(conversation, `number ${index}`))
      for (const position of [1, 5, 8]) {
        await using stream = await subscribe(grace, messages, { parents: `"${position}"` })
        assert.strictEqual(stream.head.headers["current-version"], '"9"')
        assert.deepStrictEqual(
          await stream.appendsAfter(position, 9 - position),
          sent.toSorted((a, b) => a.seq - b.seq).slice(position)
        )
      }
      await using stream = await subscribe(grace, messages, { parents: '"5"' })
      await stream.appendsAfter(5, 4)
      const next = await ada.send(conversation, "next")
      assert.deepStrictEqual(await stream.appendsAfter(9, 1), [next])
    },

    "`Parents` at the newest version gets nothing until there is something new": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await atOnce(3, (index) => ada.send(conversation, `number ${index}`))
      await using stream = await subscribe(grace, messages, { parents: '"3"', heartbeats: "1" })
      // The blank line at the start, then a second without a message.
      await stream.heartbeat()
      await stream.heartbeat()
      assert.notInclude(stream.bytes.toString(), "json .messages")
      const next = await ada.send(conversation, "next")
      assert.deepStrictEqual(await stream.appendsAfter(3, 1), [next])
    },

    "an empty `Parents` gets everything from the root": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await atOnce(60, (index) => ada.send(conversation, `number ${index}`))
      await using stream = await subscribe(grace, messages, { parents: "" })
      const root = await stream.snapshot()
      assert.deepStrictEqual(pageOf(root).messages, [])
      assert.deepStrictEqual(root.parents, [])
      assert.strictEqual((await stream.appendsAfter(Number(root.version[0]), 60)).length, 60)
    },

    "`Parents` of several events count as the latest of them": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await atOnce(4, (index) => ada.send(conversation, `number ${index}`))
      await using stream = await subscribe(grace, messages, { parents: '"1", "3", "2"' })
      await stream.appendsAfter(3, 1)
    },

    "unknown `Parents` get a snapshot": each(
      ['"999999"', '"nonsense"', '"-1"', '"1e3"', '"01"', '"99999999999999999999"', '"1", "zürich"', '"2 "'] as const,
      async (server, parents) => {
        const { ada, grace, conversation, messages } = await newConversation(server)
        await atOnce(3, (index) => ada.send(conversation, `number ${index}`))
        await using stream = await subscribe(grace, messages, { parents: Buffer.from(parents).toString("latin1") })
        const snapshot = await stream.snapshot()
        assert.deepStrictEqual(snapshot.version, ["3"])
        assert.strictEqual(pageOf(snapshot).messages.length, 3)
        await ada.send(conversation, "next")
        await stream.appendsAfter(3, 1)
      }
    ),

    "an unknown `Version` or `Parents` of a plain page is 432, with its name": each(
      ["version", "parents"] as const,
      async (server, header) => {
        const { ada, conversation, messages } = await newConversation(server)
        await ada.send(conversation, "Hello")
        for (const version of ['"2"', '"nonsense"', '"1", "abc"']) {
          const answer = await ada.get(messages, { [header]: version })
          assert.strictEqual(answer.status, 432)
          assert.strictEqual(answer.body.type, "VersionNotFound")
          assert.strictEqual(answer.headers.get(header), version)
        }
        assert.strictEqual((await ada.get(messages, { [header]: '"1"' })).status, 200)
      }
    ),

    "a subscriber far behind gets one snapshot instead of thousands of updates": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      for (let sent = 0; sent < 1_200; sent += 150) {
        // Of two people, since the messages of one are limited sooner.
        await atOnce(150, (index) => (index % 2 === 0 ? ada : grace).send(conversation, "x"))
      }
      await using stream = await subscribe(grace, messages, { parents: '"1"' })
      const snapshot = await stream.snapshot()
      assert.deepStrictEqual(snapshot.version, ["1200"])
      assert.strictEqual(pageOf(snapshot).before, "1151")
      await ada.send(conversation, "next")
      await stream.appendsAfter(1_200, 1)
    },

    "a subscriber that reconnects twenty times has every message once": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const received: Array<number> = []
      let position = 0
      for (let visit = 0; visit < 20; visit++) {
        const sending = atOnce(5, () => ada.send(conversation, `visit ${visit}`))
        {
          await using stream = await subscribe(grace, messages, { parents: `"${position}"` })
          for (const { seq } of await stream.appendsAfter(position, 1 + (visit % 5))) received.push(seq)
          position = received.at(-1) ?? 0
        }
        await sending
      }
      await using stream = await subscribe(grace, messages, { parents: `"${position}"` })
      for (const { seq } of await stream.appendsAfter(position, 100 - position)) received.push(seq)
      assert.deepStrictEqual(
        received,
        Array.from({ length: 100 }, (_, index) => index + 1)
      )
    }
  }
}
