import { Effect, Layer, Metric } from "effect"
import process from "node:process"
import { clearInterval, setInterval } from "node:timers"
import * as Metrics from "../platform/Metrics.ts"

/** Milliseconds between measurements of the event loop's delay. */
const interval = 100

/** Metrics of the process, under Prometheus' standard names, and the delay of the event loop. */
export const ProcessMetricsLive = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* Metrics.observeTotal(
      Metric.counter("process_cpu_seconds_total", { description: "CPU time used", incremental: true }),
      () => {
        const { system, user } = process.cpuUsage()
        return (system + user) / 1_000_000
      }
    )
    yield* Metrics.observe(Metric.gauge("process_resident_memory_bytes", { description: "Memory held" }), () =>
      process.memoryUsage.rss()
    )
    yield* Metrics.observe(
      Metric.gauge("nodejs_heap_size_used_bytes", { description: "Memory that JavaScript uses" }),
      () => process.memoryUsage().heapUsed
    )
    yield* Metrics.observe(
      Metric.gauge("process_start_time_seconds", { description: "When the process began, as Unix time" }),
      () => performance.timeOrigin / 1_000
    )

    // `monitorEventLoopDelay` does not do: Deno's stays near 0, and Node's cannot be aggregated over processes.
    const recordDelay = yield* Metrics.recorder(Metrics.eventLoopDelay)
    let due = performance.now() + interval
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        setInterval(() => {
          const now = performance.now()
          recordDelay(Math.max(0, now - due) / 1_000)
          due = now + interval
        }, interval).unref()
      ),
      (timer) => Effect.sync(() => clearInterval(timer))
    )
  })
)
