import { assert, describe, it } from "@effect/vitest"
import { glob, readFile } from "node:fs/promises"
import { gzipSync } from "node:zlib"
import { bundle, root } from "./bundle.ts"

describe("xfchat/client", () => {
  it("imports nothing, neither in its code nor in its types", async () => {
    let files = 0
    for await (const path of glob("src/client/*.ts", { cwd: root })) {
      files += 1
      const source = await readFile(root + path, "utf8")
      for (const [, specifier] of source.matchAll(/(?:\bfrom|\bimport\() ?"([^"]+)"/g)) {
        assert.match(specifier ?? "", /^\.\/\w+\.ts$/, path)
      }
    }
    assert.isAbove(files, 10)
  })

  it("has at most 15 KB, gzipped", () => {
    assert.isBelow(gzipSync(bundle("src/client/index.ts")).length, 15 * 1_024)
  })
})
