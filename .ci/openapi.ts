// Reads the API's document as others do: a linter finds nothing wrong with it, and a client generated from it, strictly
// type-checked, takes two people to a conversation. The last argument is the URL of a database.
import { spawn, spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "xfchat-openapi-"))

const run = (command: string, ...args: ReadonlyArray<string>) => {
  const { error, status } = spawnSync(command, args, {
    cwd: folder,
    stdio: "inherit",
    env: { ...process.env, ...environment }
  })
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(" ")} ended with ${status}`)
}
const environment: Record<string, string> = {
  PATH: `${join(folder, "node_modules/.bin")}:${process.env["PATH"]}`,
  REDOCLY_TELEMETRY: "off"
}

const tools = ["@redocly/cli@2.77.0", "openapi-fetch@0.17.0", "openapi-typescript@7.13.0", "typescript@5.9.3"]

const server = spawn(process.execPath, ["src/main.ts"], {
  cwd: root,
  env: { ...process.env, DATABASE_URL: process.argv.at(-1), SERVER_HOST: "127.0.0.1", SERVER_PORT: "0" },
  stdio: ["ignore", "ignore", "pipe"]
})

try {
  const url = await new Promise<string>((resolve, reject) => {
    let output = ""
    server.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      const [, address] = /listening on (\S+)/.exec(output) ?? []
      if (address !== undefined) resolve(`http://${address}`)
    })
    server.on("exit", () => reject(new Error(`The server did not start:\n${output}`)))
  })
  const document = await fetch(`${url}/openapi.json`)
  writeFileSync(join(folder, "openapi.json"), await document.text())
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  // A path with a fixed word beside one with an id is not ambiguous, since no id is that word.
  writeFileSync(join(folder, "lint.yaml"), "extends: [recommended]\nrules: { no-ambiguous-paths: off }\n")
  cpSync(join(import.meta.dirname, "openapi-chat.ts"), join(folder, "chat.ts"))
  run("npm", "install", "--no-audit", "--no-fund", ...tools)
  run("redocly", "lint", "--config", "lint.yaml", "--max-problems", "20", "openapi.json")
  run("openapi-typescript", "openapi.json", "--output", "schema.ts")
  run(
    "tsc",
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--allowImportingTsExtensions",
    "--lib",
    "es2023,dom",
    "chat.ts"
  )
  environment["XFCHAT_URL"] = url
  run(process.execPath, "chat.ts", url)
} finally {
  server.kill()
  rmSync(folder, { recursive: true })
}
