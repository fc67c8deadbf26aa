import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { unlimited } from "./test/unlimited.ts"

// The workers load what an earlier one has compiled.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL(".data/compile-cache", import.meta.url))

export default defineConfig({
  // `xfchat` is the source, also where a test imports it as others do. The others are the defaults.
  ssr: { resolve: { conditions: ["xfchat-source", "module", "node", "development|production"] } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["src/testing/globalSetup.ts"],
    // Processes, not threads: a test may read and change what belongs to the process, such as its signal handlers.
    pool: "forks",
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
