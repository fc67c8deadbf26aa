// Loaded into the server under measurement before its own code (`node --import`), so that it can be watched from outside.

process.stderr.write(`[BENCH] pid ${process.pid}\n`)

process.on("SIGUSR2", () => {
  globalThis.gc!()
  process.stderr.write("[BENCH] collected garbage\n")
})
