import { assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { Yaml } from "effect/encoding"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { TestDatabase } from "../../src/testing/index.ts"
import { twoPeople } from "../../src/conformance/Client.ts"
import { subscribe } from "../../src/conformance/Stream.ts"
import { startServer } from "../serverProcess.ts"

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (path: string) => readFile(root + path, "utf8")

/** Every metric of a server that has been used, by name. */
const served = Effect.gen(function* () {
  const { baseUrl } = yield* startServer("node", (yield* TestDatabase).url)
  return yield* Effect.promise(async () => {
    const { conversation, grace, messages } = await twoPeople({ url: baseUrl })
    await using stream = await subscribe(grace, messages)
    await stream.snapshot()
    await grace.send(conversation, "something to count")
    const text = await (await fetch(`${baseUrl}/metrics`)).text()
    return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", kind = ""]) => [name, kind]))
  })
})

/** The series of a metric: a histogram has three. */
const seriesOf = (metrics: ReadonlyMap<string, string>) =>
  new Set(
    [...metrics].flatMap(([name, kind]) =>
      kind === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
    )
  )

const named = (expression: string) => expression.match(/\b(?:xfchat|process|nodejs)_[a-z_]+\b/g) ?? []

describe("the documents about metrics", () => {
  it.live("list every metric of a server, and the dashboard and alerts use no other", () =>
    Effect.gen(function* () {
      const metrics = yield* served
      yield* Effect.promise(async () => {
        const documented = [...(await read("docs/monitoring.md")).matchAll(/^\| `(\w+)` \| (\w+) \|/gm)]
        assert.deepStrictEqual(
          documented.map(([, name, kind]) => `${name} ${kind}`).sort(),
          [...metrics].map(([name, kind]) => `${name} ${kind}`).sort()
        )

        const series = seriesOf(metrics)
        const dashboard = JSON.parse(await read("docs/grafana.json"))
        const alerts = Yaml.parse(await read("docs/alerts.yml")) as {
          groups: ReadonlyArray<{ rules: ReadonlyArray<{ alert: string; expr: string }> }>
        }
        const rules = alerts.groups.flatMap(({ rules }) => rules)
        const shown: ReadonlyArray<string> = dashboard.panels.flatMap(
          (panel: { targets: ReadonlyArray<{ expr: string }> }) => panel.targets.flatMap(({ expr }) => named(expr))
        )
        const watched = rules.flatMap(({ expr }) => named(expr))
        for (const name of [...shown, ...watched]) assert.include([...series], name)
        for (const name of metrics.keys()) {
          assert.isTrue(
            shown.some((series) => series.replace(/_(bucket|sum|count)$/, "") === name || series === name),
            `${name} is nowhere on the dashboard`
          )
        }
        assert.isAbove(rules.length, 5)
      })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
