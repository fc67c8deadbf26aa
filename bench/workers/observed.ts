// Loaded into the measured server before its own code (`node --import`), so that the benchmark can observe it.

process.stderr.write(`[BENCH] pid ${process.pid}\n`)

process.on("SIGUSR2", () => {
  globalThis.gc!()
  process.stderr.write("[BENCH] collected garbage\n")
})
