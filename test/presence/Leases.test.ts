import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { Leases } from "../../src/presence/Leases.ts"

const Key = Schema.Literals(["ada", "grace", "eve"])
const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))

const anyActs = Arbitrary.array(
  Arbitrary.schema(
    Schema.Union([
      Schema.TaggedStruct("Set", { key: Key, millis: Millis }),
      Schema.TaggedStruct("Expire", { after: Millis })
    ])
  ),
  { minLength: 10, maxLength: 40 }
)

/** The last end that was set for each key: a key is held until then. */
class Model {
  private said: ReadonlyArray<{ readonly key: string; readonly until: number }> = []

  say(key: string, until: number): void {
    this.said = [...this.said.filter((one) => one.key !== key), { key, until }]
  }

  holdingAt(now: number): ReadonlyArray<string> {
    return this.said.filter(({ until }) => until > now).map(({ key }) => key)
  }
}

describe("Leases", () => {
  it.prop("hold a key until the end set last, and report each beginning and end once", [anyActs], ([acts]) => {
    const leases = new Leases<string>()
    const model = new Model()
    const held = new Set<string>()
    let now = 0
    for (const act of acts) {
      if (act._tag === "Expire") {
        now += act.after
        for (const key of leases.expire(now)) assert.isTrue(held.delete(key), `${key} ended twice`)
      } else {
        // A lease that has ended counts as held until it is removed.
        const before = leases.has(act.key)
        model.say(act.key, now + act.millis)
        assert.strictEqual(leases.set(act.key, now + act.millis, now), before !== act.millis > 0)
        if (act.millis > 0) held.add(act.key)
        else held.delete(act.key)
      }
      assert.sameMembers([...leases.keys()], [...model.holdingAt(now)])
      assert.sameMembers([...leases.keys()], [...held])
      assert.strictEqual(leases.size, held.size)
    }
  })

  it("keep the order in which they began, whenever they were renewed", () => {
    const leases = new Leases<string>()
    for (const key of ["ada", "grace", "ada", "eve"]) leases.set(key, 10, 0)
    assert.deepStrictEqual([...leases.keys()], ["ada", "grace", "eve"])
  })

  it("can be made to end earlier", () => {
    const leases = new Leases<string>()
    leases.set("ada", 50, 0)
    leases.set("ada", 15, 10)
    assert.strictEqual(leases.endOf("ada"), 15)
    assert.deepStrictEqual(leases.expire(15), ["ada"])
    assert.isUndefined(leases.endOf("ada"))
  })
})
