import { assert, describe, it } from "@effect/vitest"
import { HttpApi, type HttpApiEndpoint } from "effect/http-api"
import { Api } from "../../src/contract/Api.ts"
import { payloadBounds } from "../../src/http/PayloadBounds.ts"
import { maxErrors } from "../../src/contract/Problem.ts"

const endpoints: Array<readonly [name: string, endpoint: HttpApiEndpoint.Top]> = []
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => {
    if (endpoint.payload.size > 0) endpoints.push([`${group.identifier}.${endpoint.identifier}`, endpoint])
  }
})

/** JSON with every character of its texts escaped: its longest form without white space. */
const escaped = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/"((?:[^"\\]|\\.)*)"/g, (json) => {
    const text: string = JSON.parse(json)
    const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index))
    return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")}"`
  })

const find = (name: string) => {
  const [, endpoint] = endpoints.find(([other]) => other === name) ?? []
  return payloadBounds(endpoint!)
}

describe.each(endpoints)("A body of %s", (_, endpoint) => {
  it("with thousands of unknown members is refused without a decoder", () => {
    const members = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`m${index}`, index]))
    assert.strictEqual(payloadBounds(endpoint).excessOf(members).length, 5_000)
  })
})

describe("The largest legal bodies", () => {
  it("are within their bounds", () => {
    const longest = { content: "\u0001".repeat(65_536), messageType: "text", replyTo: "f".repeat(36) }
    assert.isAtMost(escaped(longest).length, find("messages.send").maxBytes)
    const group = {
      name: "😀".repeat(255),
      description: "d".repeat(4_096),
      history: "since_joining",
      participantIds: Array.from({ length: 999 }, () => "f".repeat(36))
    }
    assert.isAtMost(escaped(group).length, find("conversations.create").maxBytes)
    assert.deepStrictEqual(find("conversations.create").excessOf(group), [])
    assert.isAtMost(escaped({ ...longest, id: "f".repeat(36) }).length, find("messages.sendAll").maxBytes)
    assert.isAtMost(escaped({ isTyping: false }).length, find("conversations.typing").maxBytes)
    const account = {
      username: "a".repeat(30),
      email: "e".repeat(254),
      password: "p".repeat(1_024),
      displayName: "😀".repeat(64),
      avatarUrl: "u".repeat(2_048),
      deviceName: "😀".repeat(64)
    }
    assert.isAtMost(escaped(account).length, find("auth.signup").maxBytes)
    assert.deepStrictEqual(find("auth.signup").excessOf(account), [])
  })

  it("have bounds that follow their schemas", () => {
    assert.isBelow(find("conversations.typing").maxBytes, 8_192)
    assert.isBelow(find("auth.signup").maxBytes, 65_536)
    assert.isBelow(find("messages.send").maxBytes, 524_288)
    assert.isTrue(find("conversations.typing").isOptional)
    assert.isFalse(find("messages.send").isOptional)
    assert.strictEqual(find("messages.sendAll").maxBytes, 524_288)
    assert.strictEqual(find("messages.sendAll").mediaType, "application/x-ndjson")
  })
})

describe("A payload larger than its schema takes", () => {
  it("is reported without a look at its items", () => {
    const errors = find("conversations.create").excessOf({ participantIds: Array.from({ length: 120_000 }, () => "x") })
    assert.deepStrictEqual(errors, [{ path: ["payload", "participantIds"], message: "must have at most 999 items" }])
    assert.deepStrictEqual(find("auth.signup").excessOf({ username: "a".repeat(40_000) }), [
      { path: ["payload", "username"], message: "must have at most 30 characters" }
    ])
  })

  it("is not reported here for a few unknown members or wrong types: the decoder reports those", () => {
    const few = Object.fromEntries(Array.from({ length: maxErrors }, (_, index) => [`m${index}`, index]))
    assert.deepStrictEqual(find("auth.signup").excessOf(few), [])
    for (const value of [null, 1, "text", [], [[]]]) assert.deepStrictEqual(find("auth.signup").excessOf(value), [])
  })
})
