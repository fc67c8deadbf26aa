import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { refuse } from "../../lint/floors.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

describe("the floors of src/", () => {
  it("lets a folder import from the folders below it, and from itself", () => {
    assert.isUndefined(refuse("friends/Friends.ts", "people/Pairs.ts"))
    assert.isUndefined(refuse("Server.ts", "messages/Outbox.ts"))
    assert.isUndefined(refuse("messages/Outbox.ts", "messages/Messages.ts"))
  })

  it("refuses an import from the same floor or a higher one", () => {
    assert.match(refuse("people/People.ts", "usage/Usage.ts") ?? "", /not below/)
    assert.match(refuse("contract/Api.ts", "Server.ts") ?? "", /not below/)
  })

  it("refuses a folder that has no floor", () => {
    assert.match(refuse("misc/Thing.ts", "contract/Api.ts") ?? "", /`misc` has no floor/)
    assert.match(refuse("inbox/Inbox.ts", "misc/Thing.ts") ?? "", /`misc` has no floor/)
  })

  it("gives every folder and file of src/ a floor", async () => {
    for (const room of await readdir(join(root, "src"))) {
      assert.notMatch(refuse("index.ts", room) ?? "", /has no floor/)
    }
  })

  it("fails the check of a file that imports upwards, by every kind of import", async () => {
    const folder = await mkdtemp(join(tmpdir(), "floors-"))
    try {
      await mkdir(join(folder, "src/braid"), { recursive: true })
      await cp(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"))
      await cp(join(root, "lint"), join(folder, "lint"), { recursive: true })
      const lines = [
        'import { a } from "../inbox/Inbox.ts"',
        'export * from "../inbox/Inbox.ts"',
        'export { b } from "../inbox/Inbox.ts"',
        'export const c = import("../inbox/Inbox.ts")',
        "export const d = a",
        ""
      ]
      await writeFile(join(folder, "src/braid/Update.ts"), lines.join("\n"))
      const oxlint = join(root, "node_modules/oxlint/bin/oxlint")
      const { status, stdout } = spawnSync(process.execPath, [oxlint, "--format=unix"], {
        cwd: folder,
        encoding: "utf8"
      })
      assert.notStrictEqual(status, 0)
      for (const line of [1, 2, 3, 4]) assert.match(stdout, new RegExp(`Update\\.ts:${line}:.*floors`))
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
