// Runs within `npm version`: writes the new version to where the program reads it, and dates the changelog's head.
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"

const version = process.env.npm_package_version
const replace = (file, pattern, replacement) => {
  const text = readFileSync(file, "utf8")
  if (!pattern.test(text)) throw new Error(`${file} has no ${pattern}`)
  writeFileSync(file, text.replace(pattern, replacement))
  spawnSync("git", ["add", file], { stdio: "inherit" })
}
replace("src/contract/Version.ts", /(?<=version = ")[^"]+/, version)
replace("CHANGELOG.md", /^## Unreleased$/m, `## Unreleased\n\n## ${version} (${new Date().toISOString().slice(0, 10)})`)
