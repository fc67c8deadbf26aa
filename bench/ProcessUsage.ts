import { readFileSync } from "node:fs"

// Linux: /proc counts in ticks of 10 ms (USER_HZ is 100 on all common architectures).
const secondsInTick = 0.01

/** Processor time that a process has used so far, in user and kernel mode, seconds. */
export const cpuSeconds = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  // The name in parentheses may hold anything: the fields are counted after it. utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * secondsInTick
}

/** Memory that a process has resident, bytes. */
export const residentBytes = (pid: number): number => {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  return Number(match![1]) * 1024
}
