/**
 * Imported before the server: on SIGUSR2 the clock of its process is set back by an hour, as an administrator may do. The
 * monotonic clock keeps running, as in the system itself.
 */
const now = Date.now.bind(Date)
let setBack = 0

globalThis.Date = class extends Date {
  constructor(...parts: Array<number>) {
    // A call without arguments means the present.
    if (parts.length === 0) super(now() - setBack)
    else super(...(parts as [number]))
  }
  static override now() {
    return now() - setBack
  }
} as DateConstructor

process.on("SIGUSR2", () => {
  setBack += 3_600_000
  console.log("The clock was set back")
})
