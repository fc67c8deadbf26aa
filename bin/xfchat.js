#!/usr/bin/env node
// Plain JavaScript, which any Node can run. In a package it starts the compiled command: Node refuses to run TypeScript below
// node_modules. In a checkout it starts the source, on a Node that can run that.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import module from "node:module"
import { fileURLToPath } from "node:url"

const launcher = fileURLToPath(import.meta.url)
const isThere = (path) => existsSync(new URL(path, import.meta.url))
// A checkout may have an old build, too.
const isPackage = isThere("../dist/cli.js") && !isThere("../tsconfig.json")
const [neededMajor, neededMinor] = isPackage ? [22, 19] : [24, 0]
// The Node that `npm install` installs in a checkout.
const projectNode = fileURLToPath(
  new URL(`../node_modules/node/bin/node${process.platform === "win32" ? ".exe" : ""}`, import.meta.url)
)
const [major, minor] = process.versions.node.split(".").map(Number)

if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) {
  // Halves the start-up time: Node keeps compiled code in the temporary folder.
  module.enableCompileCache?.()
  await import(isPackage ? "../dist/cli.js" : "../src/cli.ts")
} else if (existsSync(projectNode)) {
  const child = spawn(projectNode, [launcher, ...process.argv.slice(2)], { stdio: "inherit" })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
} else {
  const install = isPackage ? "" : "run `npm install` in its folder, which installs one, or "
  process.stderr.write(
    `XFChat needs Node ${neededMajor}.${neededMinor} or newer, and this is Node ${process.versions.node}: ${install}install Node 24 from https://nodejs.org.\n`
  )
  process.exitCode = 1
}
