import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { parseRequest, type RequestHeaders } from "../../src/braid/Request.ts"

const read = (headers: RequestHeaders) => {
  const result = parseRequest(headers)
  assert(result._tag === "Parsed", result._tag === "Malformed" ? result.reason : "")
  return result.value
}

const refusal = (headers: RequestHeaders) => {
  const result = parseRequest(headers)
  assert(result._tag === "Malformed", `${JSON.stringify(headers)} was read`)
  return result.reason
}

const anyValue = Arbitrary.schema(Schema.UndefinedOr(Schema.String))

describe("A request", () => {
  it("without Braid headers asks for nothing of Braid", () => {
    assert.deepStrictEqual(read({ accept: "application/json" }), {
      subscribe: false,
      version: undefined,
      parents: undefined,
      heartbeats: undefined,
      peer: undefined
    })
  })

  it("subscribes when Subscribe is present, whatever it says", () => {
    for (const value of ["true", "?1", "keep-alive", "", "yes please"])
      assert.isTrue(read({ subscribe: value }).subscribe)
  })

  it("does not subscribe when Subscribe is absent or says no", () => {
    for (const value of [undefined, "?0", "false", " False "]) assert.isFalse(read({ subscribe: value }).subscribe)
  })

  it("names the versions it has; to name none is to ask for everything, to be silent is not", () => {
    assert.deepStrictEqual(read({ parents: `"3", "4"` }).parents, ["3", "4"])
    assert.deepStrictEqual(read({ parents: "" }).parents, [])
    assert.isUndefined(read({}).parents)
    assert.deepStrictEqual(read({ version: `"5"` }).version, ["5"])
  })

  it("is refused by the name of the header that cannot be read", () => {
    assert.match(refusal({ version: "abc" }), /^Version must be/)
    assert.match(refusal({ parents: `"abc` }), /^Parents must be/)
  })

  it("cannot ask for one version and for all that follow", () => {
    assert.match(refusal({ subscribe: "true", version: `"5"` }), /^Version cannot go with Subscribe/)
    assert.deepStrictEqual(read({ subscribe: "?0", version: `"5"` }).version, ["5"])
  })

  it("gets heartbeats at the interval it asks for, between one second and a minute", () => {
    const asked = (heartbeats: string) => read({ heartbeats }).heartbeats
    assert.strictEqual(asked("20"), 20)
    assert.strictEqual(asked("20s"), 20)
    assert.strictEqual(asked(" 2.5S "), 2.5)
    assert.strictEqual(asked("0.5s"), 1)
    assert.strictEqual(asked("0"), 1)
    assert.strictEqual(asked("3600"), 60)
    assert.strictEqual(asked("9".repeat(400)), 60)
  })

  it("is refused when its heartbeats are not a number of seconds", () => {
    for (const heartbeats of ["", "s", "-5", "20ms", "1e3", "NaN", "Infinity", "20, 30", "0x10", "1.2.3"]) {
      assert.strictEqual(refusal({ heartbeats }), "Heartbeats must be a number of seconds, such as 20 or 20s.")
    }
  })

  it("may give its peer a name, bare or quoted", () => {
    assert.strictEqual(read({ peer: "x82ha" }).peer, "x82ha")
    assert.strictEqual(read({ peer: `"x82ha"` }).peer, "x82ha")
    assert.strictEqual(read({ peer: String.raw`"J\u00fcrgen's phone"` }).peer, "Jürgen's phone")
    assert.strictEqual(read({ peer: "x".repeat(200) }).peer, "x".repeat(200))
  })

  it("is refused when the name of its peer is empty, several or too long", () => {
    for (const peer of ["", "a, b", `"a", "b"`, `"a`, "two words", "ü", "x".repeat(201), `"${"x".repeat(201)}"`]) {
      assert.match(refusal({ peer }), /^Peer must be one name/)
    }
  })

  it.prop(
    "is read or refused, and never throws",
    { subscribe: anyValue, version: anyValue, parents: anyValue, heartbeats: anyValue, peer: anyValue },
    (headers) => {
      assert.include(["Parsed", "Malformed"], parseRequest(headers)._tag)
    }
  )
})
