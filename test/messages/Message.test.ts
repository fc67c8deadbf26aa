import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Message, MessagePage, toJson } from "../../src/contract/Message.ts"
import { Receipt } from "../../src/contract/Receipt.ts"

describe("A message as JSON", () => {
  it.prop("is what its schema says, alone and in a page", [Schema.Array(Message), Receipt], ([messages, receipt]) => {
    const encode = Schema.encodeSync(Message.json)
    for (const message of messages) assert.deepStrictEqual(JSON.parse(toJson(message)), encode(message))
    const page = new MessagePage({ messages, receipts: [receipt], before: "8", after: null })
    assert.deepStrictEqual(JSON.parse(toJson(page)), Schema.encodeSync(MessagePage)(page))
  })
})
