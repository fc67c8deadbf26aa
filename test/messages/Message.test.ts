import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Message, MessagePage, toJson } from "../../src/contract/Message.ts"

describe("A message as JSON", () => {
  it.prop("equals the encoding of its schema, alone and in a page", [Schema.Array(Message)], ([messages]) => {
    const encode = Schema.encodeSync(Message.json)
    for (const message of messages) assert.deepStrictEqual(JSON.parse(toJson(message)), encode(message))
    const receipts = messages.flatMap(({ senderId, seq, version }) =>
      senderId === null ? [] : [{ userId: senderId, deliveredSeq: version, readSeq: seq }]
    )
    const page = new MessagePage({ messages, receipts, before: "8", after: null })
    assert.deepStrictEqual(JSON.parse(toJson(page)), Schema.encodeSync(MessagePage)(page))
  })
})
