import { existsSync, statfsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { unlimited } from "./test/unlimited.ts"

// The workers load what an earlier one has compiled.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL(".data/compile-cache", import.meta.url))

// Most tests have a database of their own, of some 300 files. In memory it costs a fourth of the processor time.
const memory = "/dev/shm"
if (existsSync(memory)) {
  const { bavail, bsize } = statfsSync(memory)
  if (bavail * bsize >= 8 * 2 ** 30) process.env["TMPDIR"] ??= memory
}

const database = "src/testing/globalSetup.ts"
const bundle = "test/bundle.ts"
/** The folder of this run's bundle. It is as deep as `src/database`, since the migrations are found from there. */
const XFCHAT_BUNDLE = `.data/bundle-${process.pid}`
const conformance = "test/conformance/*.test.ts"
/** The tests of processes. They wait the longest, so that other tests should run while the last of them do. */
const processes = ["commands", "docs", "faults", "operations", "postgres-embedded", "process"].map(
  (folder) => `test/${folder}/**/*.test.ts`
)

export default defineConfig({
  // `xfchat` is the source, also where a test imports it as others do. The others are the defaults.
  ssr: { resolve: { conditions: ["xfchat-source", "module", "node", "development|production"] } },
  test: {
    // Vitest runs them in the order of their names.
    projects: [
      {
        extends: true,
        test: {
          name: "conformance",
          include: [conformance],
          globalSetup: [database, "test/conformance/globalSetup.ts"]
        }
      },
      {
        extends: true,
        test: { name: "processes", include: processes, globalSetup: [database, bundle], env: { XFCHAT_BUNDLE } }
      },
      {
        extends: true,
        test: {
          name: "services",
          include: ["test/**/*.test.ts"],
          exclude: [conformance, ...processes],
          globalSetup: [database, bundle],
          env: { XFCHAT_BUNDLE }
        }
      }
    ],
    // Processes, not threads: a test may change what belongs to the process.
    pool: "forks",
    // Many files share a process, because each new one spends two seconds of processor time to load Effect and the sources.
    isolate: false,
    env: unlimited,
    // More than two cores have: tests wait for processes, sockets and time-outs.
    maxWorkers: 3,
    // A busy machine is slow, which is no failure: this ends only what hangs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The database server has 10 seconds to stop.
    teardownTimeout: 15_000,
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: ".data/test-results.json" }]] : ["default"]
  }
})
