import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../", import.meta.url))

/** The code that a page has to load, as vitest's own bundler makes it. */
export const bundle = (entry: string): string =>
  execFileSync(`${root}node_modules/.bin/rolldown`, [entry, "--format", "esm", "--minify", "--log-level", "silent"], {
    cwd: root,
    encoding: "utf8"
  })
