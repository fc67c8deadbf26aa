import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Makes every module of Node fail to load. */
const withoutNode = `
  import { isBuiltin, registerHooks } from "node:module"
  registerHooks({
    resolve(specifier, context, next) {
      if (isBuiltin(specifier)) throw new Error(specifier + " is imported by " + context.parentURL)
      return next(specifier, context)
    }
  })`

const load = (specifier: string) =>
  spawnSync(
    `${root}node_modules/.bin/node`,
    [
      "--conditions=xfchat-source",
      "--import",
      `data:text/javascript,${encodeURIComponent(withoutNode)}`,
      "--input-type=module",
      "--eval",
      `console.log(typeof (await import("${specifier}")).Api)`
    ],
    { cwd: root, encoding: "utf8" }
  )

describe("xfchat/contract", () => {
  it("loads without any module of Node, so that a browser can load it", () => {
    const { stderr, stdout } = load("xfchat/contract")
    assert.strictEqual(stdout, "function\n", stderr)
  })

  it("differs in this from xfchat itself, which has the server", () => {
    assert.match(load("xfchat").stderr, /node:\w+ is imported by/)
  })
})
