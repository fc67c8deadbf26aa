// Names what failed in a report of vitest, a line each: the output of a long run is often kept only in part, from its end.
import { readFileSync } from "node:fs"
import { relative } from "node:path"

const firstLine = (text = "") => text.split("\n")[0]

const report = JSON.parse(readFileSync(process.argv[2], "utf8"))
for (const { assertionResults, message, name, status } of report.testResults) {
  const failed = assertionResults.filter((test) => test.status === "failed")
  const lines = failed.map((test) => `${test.fullName}: ${firstLine(test.failureMessages[0])}`)
  // A file that did not load has no tests.
  if (status === "failed" && lines.length === 0) lines.push(firstLine(message))
  for (const line of lines) process.stdout.write(`${relative(process.cwd(), name)} > ${line}\n`)
}
