import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { load } from "../../../src/database/MigrationFile.ts"
import { folderOf } from "./postgres.ts"

const refused = (files: Record<string, string>) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(load(yield* folderOf(files)))
    assert.strictEqual(error._tag, "MigrationFilesInvalid")
    assert.notInclude(error.message, "\n")
    return error.message
  })

describe("a folder of migrations", () => {
  it.effect("is read in the order of the ids", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf({
        "20240202000000_second.up.sql": "SELECT 2",
        "20240202000000_second.down.sql": "SELECT -2",
        "20240101000000_first.up.sql": "SELECT 1",
        "20240101000000_first.down.sql": "SELECT -1",
        "README.md": "not SQL"
      })
      assert.deepStrictEqual(yield* load(folder), [
        {
          id: 20240101000000n,
          name: "first",
          up: "SELECT 1",
          down: "SELECT -1",
          checksum: "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5"
        },
        {
          id: 20240202000000n,
          name: "second",
          up: "SELECT 2",
          down: "SELECT -2",
          checksum: "ebbb5b332060a3ede7047bd7528883b0a560e729848f9feb8ff742145e909b01"
        }
      ])
    })
  )

  it.effect("has the same checksums after a checkout with CRLF", () =>
    Effect.gen(function* () {
      const files = (up: string) => ({ "20240101000000_first.up.sql": up, "20240101000000_first.down.sql": "" })
      const [unix] = yield* load(yield* folderOf(files("SELECT 1;\nSELECT 2;\n")))
      const [windows] = yield* load(yield* folderOf(files("SELECT 1;\r\nSELECT 2;\r\n")))
      assert.strictEqual(windows?.checksum, unix?.checksum)
    })
  )

  it.effect("is refused when a file's name lacks an id or a direction", () =>
    Effect.gen(function* () {
      assert.include(yield* refused({ "20240101000000_first.sql": "" }), "20240101000000_first.sql")
      assert.include(yield* refused({ "first.up.sql": "" }), "first.up.sql")
    })
  )

  it.effect("is refused when two migrations have one id", () =>
    Effect.gen(function* () {
      const message = yield* refused({
        "20240101000000_first.up.sql": "",
        "20240101000000_first.down.sql": "",
        "20240101000000_other.up.sql": "",
        "20240101000000_other.down.sql": ""
      })
      assert.include(message, "first and other have the same id 20240101000000")
    })
  )

  it.effect("is refused when an up or a down file is missing", () =>
    Effect.gen(function* () {
      const up = yield* refused({ "20240101000000_first.up.sql": "" })
      assert.include(up, "20240101000000_first.down.sql is missing")
      const down = yield* refused({ "20240101000000_first.down.sql": "" })
      assert.include(down, "20240101000000_first.up.sql is missing")
    })
  )

  it.effect("is refused when it is empty or does not exist", () =>
    Effect.gen(function* () {
      assert.include(yield* refused({}), "there are none")
      const missing = yield* Effect.flip(load("/nowhere/migrations"))
      assert.include(missing.message, "/nowhere/migrations cannot be read (ENOENT)")
    })
  )
})
