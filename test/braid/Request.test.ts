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
  it("without Braid headers asks for no feature of Braid", () => {
    assert.deepStrictEqual(read({ accept: "application/json" }), {
      subscribe: false,
      version: undefined,
      parents: undefined,
      heartbeats: undefined
    })
  })

  it("subscribes when Subscribe is present, with almost any value", () => {
    for (const value of ["true", "?1", "keep-alive", "", "yes please"])
      assert.isTrue(read({ subscribe: value }).subscribe)
  })

  it("does not subscribe when Subscribe is absent or says no", () => {
    for (const value of [undefined, "?0", "false", " False "]) assert.isFalse(read({ subscribe: value }).subscribe)
  })

  it("tells an empty Parents, which asks for everything, from an absent one", () => {
    assert.deepStrictEqual(read({ parents: `"3", "4"` }).parents, ["3", "4"])
    assert.deepStrictEqual(read({ parents: "" }).parents, [])
    assert.isUndefined(read({}).parents)
    assert.deepStrictEqual(read({ version: `"5"` }).version, ["5"])
  })

  it("is refused with the name of the header that is malformed", () => {
    assert.match(refusal({ version: "abc" }), /^Version must be/)
    assert.match(refusal({ parents: `"abc` }), /^Parents must be/)
  })

  it("cannot ask for one version and for updates at once", () => {
    assert.match(refusal({ subscribe: "true", version: `"5"` }), /^Version cannot go with Subscribe/)
    assert.deepStrictEqual(read({ subscribe: "?0", version: `"5"` }).version, ["5"])
  })

  it("gets heartbeats at the interval it asks for, from one second to a minute", () => {
    const asked = (heartbeats: string) => read({ heartbeats }).heartbeats
    assert.strictEqual(asked("20"), 20)
    assert.strictEqual(asked("20s"), 20)
    assert.strictEqual(asked(" 2.5S "), 2.5)
    assert.strictEqual(asked("0.5s"), 1)
    assert.strictEqual(asked("0"), 1)
    assert.strictEqual(asked("3600"), 60)
    assert.strictEqual(asked("9".repeat(400)), 60)
  })

  it("is refused when Heartbeats is not a number of seconds", () => {
    for (const heartbeats of ["", "s", "-5", "20ms", "1e3", "NaN", "Infinity", "20, 30", "0x10", "1.2.3"]) {
      assert.strictEqual(refusal({ heartbeats }), "Heartbeats must be a number of seconds, such as 20 or 20s.")
    }
  })

  it.prop(
    "is read or refused, and never throws",
    { subscribe: anyValue, version: anyValue, parents: anyValue, heartbeats: anyValue },
    (headers) => {
      assert.include(["Parsed", "Malformed"], parseRequest(headers)._tag)
    }
  )
})
