// Follows the Dockerfile line by line in a clean folder, without a container engine: copies the files that .dockerignore lets
// through, runs the commands, starts the server, waits until the health check passes, and stops the server.
import { spawn, spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, sep } from "node:path"
import { setTimeout } from "node:timers/promises"

const [databaseUrl] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), "xfchat-image-"))

const isCopied = readFileSync(".dockerignore", "utf8")
  .trim()
  .split("\n")
  .filter((line) => line.startsWith("!"))
  .map((line) => line.slice(1))
const copy = (sources, target) => {
  for (const source of sources) {
    if (!isCopied.some((path) => source === path || source.startsWith(path + sep))) {
      throw new Error(`.dockerignore leaves out ${source}`)
    }
    cpSync(source, sources.length > 1 || target.endsWith("/") ? join(folder, target, source) : join(folder, target), {
      recursive: true
    })
  }
}

// A backslash continues a line.
const steps = readFileSync("Dockerfile", "utf8")
  .replaceAll(/\\\n\s*/g, "")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => [line.split(" ", 1)[0], line.slice(line.indexOf(" ") + 1)])

const port = String(20_000 + (process.pid % 20_000))
const env = { ...process.env, NODE_ENV: "", DATABASE_URL: databaseUrl, SERVER_PORT: port, SERVER_HOST: "127.0.0.1" }
const run = ([command, ...args]) => spawnSync(command, args, { cwd: folder, env, stdio: "inherit" }).status
let server
let healthcheck
try {
  for (const [keyword, words] of steps) {
    process.stdout.write(`${keyword} ${words}\n`)
    if (keyword === "FROM") {
      const major = /^node:(\d+)/.exec(words)[1]
      if (!process.version.startsWith(`v${major}.`)) throw new Error(`this is Node ${process.version}`)
    } else if (keyword === "COPY") {
      const paths = words.split(" ")
      copy(paths.slice(0, -1), paths.at(-1))
    } else if (keyword === "RUN") {
      if (run(["sh", "-c", words]) !== 0) throw new Error(`failed: ${words}`)
    } else if (keyword === "HEALTHCHECK") {
      healthcheck = JSON.parse(/CMD (\[.*\])$/.exec(words)[1])
    } else if (keyword === "CMD") {
      const [command, ...args] = JSON.parse(words)
      server = spawn(command, args, { cwd: folder, env, stdio: "inherit" })
    } else if (!["WORKDIR", "USER", "EXPOSE"].includes(keyword)) {
      throw new Error(`this script does not know ${keyword}`)
    }
  }
  const hasDevelopmentTools = existsSync(join(folder, "node_modules", "vitest"))
  if (hasDevelopmentTools) throw new Error("the image contains development tools")
  while (run(healthcheck) !== 0) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`)
    await setTimeout(500)
  }
  server.kill("SIGTERM")
  const [code] = await new Promise((resolve) => server.on("exit", (...end) => resolve(end)))
  if (code !== 0) throw new Error(`the server ended with ${code}`)
} finally {
  server?.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
}
