import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Imported before the server: on SIGUSR2 it collects its garbage, and says how much memory is in use after that. */
setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")
let times = 0

process.on("SIGUSR2", () => {
  if (typeof collect === "function") collect()
  console.log(`In use (${++times}): ${process.memoryUsage().heapUsed} bytes`)
})
