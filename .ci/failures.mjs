// Names what failed in a report of vitest, a line each: the output of a long run is often kept only in part, from its end.
import { readFileSync } from "node:fs"
import { relative } from "node:path"

const report = JSON.parse(readFileSync(process.argv[2], "utf8"))
for (const file of report.testResults) {
  const failed = file.assertionResults.filter((test) => test.status === "failed")
  const name = relative(process.cwd(), file.name)
  for (const test of failed)
    console.log(`${name} > ${test.fullName}\n    ${(test.failureMessages[0] ?? "").split("\n")[0]}`)
  if (file.status === "failed" && failed.length === 0) console.log(`${name}\n    ${file.message.split("\n")[0]}`)
}
