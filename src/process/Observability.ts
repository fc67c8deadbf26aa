import { Effect, Formatter, Layer, Logger, LogLevel, Option, Order, Redacted, References } from "effect"
import { FetchHttpClient, HttpMiddleware, UrlParams } from "effect/http"
import { OtlpExporter, OtlpLogger, OtlpSerialization, OtlpTracer } from "effect/observability"
import process from "node:process"
import { version } from "../contract/Version.ts"
import { Configuration } from "../platform/Configuration.ts"
import { CurrentLogLevels, levelOf, moduleAnnotation, type LogLevels } from "../platform/Log.ts"

/** One line of JSON, with the annotations next to the message. */
const jsonLogger = Logger.withConsoleLog(
  Logger.map(Logger.formatStructured, ({ annotations, cause, level, message, timestamp }) =>
    Formatter.formatJson({ time: timestamp, level, message, ...annotations, cause })
  )
)

/** Drops lines below the level of their module. */
const filtered = (logger: Logger.Logger<unknown, unknown>, levels: LogLevels) =>
  Logger.make((line: Logger.Options<unknown>) => {
    const module = line.fiber.getRef(References.CurrentLogAnnotations)[moduleAnnotation]
    const level = levelOf(levels, typeof module === "string" ? module : undefined)
    if (LogLevel.isGreaterThanOrEqualTo(line.logLevel, level)) logger.log(line)
  })

/** Where logs and traces are sent by OTLP, if anywhere. */
const exporter = Effect.gen(function* () {
  const endpoint = yield* Configuration.otlpEndpoint
  const headers = yield* Configuration.otlpHeaders
  const serviceName = yield* Configuration.otlpServiceName
  return Option.map(endpoint, ({ href }) => (signal: "logs" | "traces") => ({
    url: `${href.replace(/\/$/, "")}/v1/${signal}`,
    headers: Option.match(headers, { onNone: () => ({}), onSome: Redacted.value }),
    resource: { serviceName, serviceVersion: version }
  }))
})

const levels = Effect.gen(function* () {
  const logLevel = yield* Configuration.logLevel
  const rustLog = yield* Configuration.rustLog
  const unset: LogLevels = { all: "Info", modules: [] }
  return Option.getOrElse(logLevel, () => Option.getOrElse(rustLog, () => unset))
})

const LogsLive = Layer.unwrap(
  Effect.gen(function* () {
    const inForce = yield* levels
    const format = Option.getOrElse(yield* Configuration.logFormat, () => (process.stdout.isTTY ? "pretty" : "json"))
    const exported = Option.map(yield* exporter, (to) => OtlpLogger.make(to("logs")))
    const loggers = [
      filtered(format === "json" ? jsonLogger : Logger.consolePretty(), inForce),
      ...(Option.isSome(exported) ? [Effect.map(exported.value, (logger) => filtered(logger, inForce))] : [])
    ]
    // Below the lowest level of any module, lines cost nothing.
    const lowest = inForce.modules.reduce((lowest, [, level]) => Order.min(LogLevel.Order)(lowest, level), inForce.all)
    return Layer.mergeAll(
      Logger.layer(loggers),
      Layer.succeed(References.MinimumLogLevel, lowest),
      Layer.succeed(CurrentLogLevels, inForce)
    )
  })
)

/** Traces are off unless they are exported: that saves a few percent of a request. */
const TracesLive = Layer.unwrap(
  Effect.map(
    exporter,
    Option.match({
      onNone: () => Layer.succeed(References.TracerEnabled, false),
      onSome: (to) =>
        Layer.mergeAll(
          OtlpTracer.layer(to("traces")),
          HttpMiddleware.layerTracerDisabledForUrls(["/livez", "/readyz", "/metrics"]),
          // Search terms are private.
          Layer.succeed(UrlParams.CurrentRedactedNames, ["q", "query"])
        )
    })
  )
)

/** Logs and traces of the process, as the environment configures them. */
export const ObservabilityLive = Layer.merge(LogsLive, TracesLive).pipe(
  Layer.provide([OtlpExporter.layerFlusher, OtlpSerialization.layerProtobuf, FetchHttpClient.layer])
)
