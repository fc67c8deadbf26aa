import { defineConfig } from "vitest/config"
import { unlimited } from "./test/unlimited.ts"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["src/testing/globalSetup.ts"],
    // Processes, not threads: a test may read and change what belongs to the process, such as its signal handlers.
    pool: "forks",
    env: unlimited,
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The database server has 10 seconds to stop.
    teardownTimeout: 15_000,
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: ".data/test-results.json" }]] : ["default"]
  }
})
