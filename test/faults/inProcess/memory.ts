import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Imported before the server: on SIGUSR2 it collects garbage, and writes how much memory is in use. */
setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")
let times = 0

process.on("SIGUSR2", () => {
  if (typeof collect === "function") collect()
  console.log(`In use (${++times}): ${process.memoryUsage().heapUsed} bytes`)
})
