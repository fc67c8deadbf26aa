#!/usr/bin/env node
// Plain JavaScript, which any Node can run: it starts the command, which is TypeScript, on a Node that can run that.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import module from "node:module"
import { fileURLToPath } from "node:url"

const neededMajor = 24
const launcher = fileURLToPath(import.meta.url)
// The Node that `npm install` installs.
const projectNode = fileURLToPath(
  new URL(`../node_modules/node/bin/node${process.platform === "win32" ? ".exe" : ""}`, import.meta.url)
)

if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  // Halves the start-up time: Node keeps compiled code in the temporary folder.
  module.enableCompileCache?.()
  await import("../src/cli.ts")
} else if (existsSync(projectNode)) {
  const child = spawn(projectNode, [launcher, ...process.argv.slice(2)], { stdio: "inherit" })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
} else {
  process.stderr.write(
    `XFChat needs Node ${neededMajor} or newer, and this is Node ${process.versions.node}: run \`npm install\` in its folder, which installs one, or install Node ${neededMajor} from https://nodejs.org.\n`
  )
  process.exitCode = 1
}
