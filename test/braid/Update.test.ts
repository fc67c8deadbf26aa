import { assert, describe, it } from "@effect/vitest"
import { multiresponse } from "../../src/braid/Multiresponse.ts"
import { blankLine, encodeUpdate, withParents, type Update } from "../../src/braid/Update.ts"
import { anyUpdate, bytes, conversation } from "./updates.ts"

const text = (encoded: Uint8Array) => new TextDecoder().decode(encoded)
const lines = (...all: ReadonlyArray<string>) => all.join("\r\n")
const encoded = conversation.map((update) => text(encodeUpdate(update).bytes))

describe("The head of a subscription", () => {
  it("has the status and the current version", () => {
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

  it("has the interval of heartbeats if the request asked for them", () => {
    assert.strictEqual(multiresponse({ currentVersion: [], heartbeats: 20 }).headers["Heartbeats"], "20s")
    assert.strictEqual(multiresponse({ currentVersion: [], heartbeats: 2.5 }).headers["Heartbeats"], "2.5s")
  })
})

describe("An update on the wire", () => {
  it("has a snapshot with its length in bytes, not in characters", () => {
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

  it("has one patch with its range, and its text only in the body", () => {
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

  it("has several patches, each with its range and length", () => {
    assert.strictEqual(
      encoded[2],
      lines(
        "HTTP 200 OK",
        String.raw`Version: "5", "\u00e9"`,
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

  it("has blank lines around it that open the stream and keep it alive", () => {
    assert.strictEqual(text(blankLine), "\r\n")
  })

  it("cannot be made to carry a foreign header", () => {
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
  it("is shared, not copied, by receivers that have its parents", () => {
    const frame = encodeUpdate({ _tag: "Snapshot", version: ["c"], parents: ["b", "a"], body: bytes("") })
    assert.strictEqual(withParents(frame, ["b", "a"]), frame.bytes)
    assert.strictEqual(withParents(frame, ["a", "b"]), frame.bytes)
  })

  it.prop("is for other receivers as if encoded with their parents", [anyUpdate, anyUpdate], ([update, other]) => {
    const frame = encodeUpdate(update)
    const before = frame.bytes.slice()
    assert.deepStrictEqual(withParents(frame, other.parents), encodeUpdate({ ...update, parents: other.parents }).bytes)
    assert.deepStrictEqual(frame.bytes, before)
  })
})
