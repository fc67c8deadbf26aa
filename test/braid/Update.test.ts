import { assert, describe, it } from "@effect/vitest"
import { multiresponse } from "../../src/braid/Multiresponse.ts"
import { blankLine, encodeUpdate, withParents, type Update } from "../../src/braid/Update.ts"
import { anyUpdate, bytes, conversation } from "./updates.ts"

const text = (encoded: Uint8Array) => new TextDecoder().decode(encoded)
const lines = (...all: ReadonlyArray<string>) => all.join("\r\n")
const encoded = conversation.map((update) => text(encodeUpdate(update).bytes))

describe("The head of a subscription", () => {
  it("says that it is one, and where the resource stands", () => {
    assert.deepStrictEqual(multiresponse({ currentVersion: ["6"] }), {
      status: 209,
      statusText: "Multiresponse",
      headers: {
        Subscribe: "true",
        "Content-Type": "application/http-history",
        "Current-Version": `"6"`,
        "Cache-Control": "no-cache, no-store, no-transform",
        "X-Accel-Buffering": "no",
        Vary: "Version, Parents, Subscribe, Authorization"
      }
    })
  })

  it("says how often the heart beats when that was asked", () => {
    assert.strictEqual(multiresponse({ currentVersion: [], heartbeats: 20 }).headers["Heartbeats"], "20s")
    assert.strictEqual(multiresponse({ currentVersion: [], heartbeats: 2.5 }).headers["Heartbeats"], "2.5s")
  })
})

describe("An update on the wire", () => {
  it("carries a snapshot with its length in bytes, not in characters", () => {
    assert.strictEqual(
      encoded[0],
      lines(
        "HTTP 200 OK",
        `Version: "3"`,
        "Parents: ",
        "Content-Type: application/json",
        "Content-Length: 29",
        "",
        `[{"id":"m1","text":"héllo"}]`,
        "",
        ""
      )
    )
  })

  it("carries one patch with its range, and its text only in the body", () => {
    assert.strictEqual(
      encoded[1],
      lines(
        "HTTP 200 OK",
        `Version: "4"`,
        `Parents: "3"`,
        "Content-Type: application/json",
        "Content-Range: json [-0:-0]",
        "Content-Length: 43",
        "",
        String.raw`{"id":"m2","text":"yo 😀\r\nHTTP 200 OK"}`,
        "",
        ""
      )
    )
  })

  it("carries several patches, each with its range and length", () => {
    assert.strictEqual(
      encoded[2],
      lines(
        "HTTP 200 OK",
        `Version: "5"`,
        `Parents: "4"`,
        "Patches: 2",
        "",
        `Content-Range: json [?(@.id=="m1")].read`,
        "Content-Length: 4",
        "",
        "true",
        "",
        "Content-Range: json [1].read",
        "Content-Length: 0",
        "",
        "",
        "",
        ""
      )
    )
  })

  it("says that the resource is gone", () => {
    assert.strictEqual(
      encoded[3],
      lines(
        "HTTP 404 Not Found",
        String.raw`Version: "6", "\u00e9"`,
        `Parents: "5"`,
        "Content-Length: 0",
        "",
        "",
        "",
        ""
      )
    )
  })

  it("has blank lines around it to open the stream and to keep it alive", () => {
    assert.strictEqual(text(blankLine), "\r\n")
  })

  it("cannot be made to carry a header of someone else's", () => {
    const update: Update = { _tag: "Snapshot", version: ["a\r\nEvil: 1"], parents: ["b\r\n\r\n"], body: bytes("") }
    assert.deepStrictEqual(text(encodeUpdate(update).bytes).split("\r\n"), [
      "HTTP 200 OK",
      String.raw`Version: "a\r\nEvil: 1"`,
      String.raw`Parents: "b\r\n\r\n"`,
      "Content-Length: 0",
      "",
      "",
      "",
      ""
    ])
    for (const value of ["json [0]\r\nEvil: 1", "json\n", "json [é]", "", " json", "json "]) {
      const patch = { contentRange: value, content: bytes("") }
      const versions = { version: [], parents: [] }
      assert.throws(() => encodeUpdate({ _tag: "Patches", ...versions, patches: [patch] }), TypeError)
      assert.throws(() => encodeUpdate({ _tag: "Patches", ...versions, patches: [patch, patch] }), TypeError)
      assert.throws(
        () => encodeUpdate({ _tag: "Snapshot", ...versions, contentType: value, body: bytes("") }),
        TypeError
      )
    }
  })
})

describe("An encoded update", () => {
  it("is shared as it is by those who have its parents", () => {
    const frame = encodeUpdate({ _tag: "Deletion", version: ["c"], parents: ["b", "a"] })
    assert.strictEqual(withParents(frame, ["b", "a"]), frame.bytes)
    assert.strictEqual(withParents(frame, ["a", "b"]), frame.bytes)
  })

  it.prop(
    "is for others what it would be had it been encoded with their parents",
    [anyUpdate, anyUpdate],
    ([update, other]) => {
      const frame = encodeUpdate(update)
      const before = frame.bytes.slice()
      assert.deepStrictEqual(
        withParents(frame, other.parents),
        encodeUpdate({ ...update, parents: other.parents }).bytes
      )
      assert.deepStrictEqual(frame.bytes, before)
    }
  )
})
