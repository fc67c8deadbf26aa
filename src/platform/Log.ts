import { Context, Effect, LogLevel, Schema, SchemaIssue, SchemaTransformation } from "effect"

/** The lowest level that is logged, and those of modules with a level of their own. */
export interface LogLevels {
  readonly all: LogLevel.LogLevel
  readonly modules: ReadonlyArray<readonly [module: string, level: LogLevel.LogLevel]>
}

const names: Readonly<Record<string, LogLevel.LogLevel>> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  warning: "Warn",
  error: "Error",
  fatal: "Fatal",
  off: "None",
  none: "None"
}

/** `info,xfchat/http=debug`, or as Rust writes it, `xfchat::http=debug`. */
const parse = (text: string): LogLevels | undefined => {
  let all: LogLevel.LogLevel = "Info"
  const modules: Array<readonly [string, LogLevel.LogLevel]> = []
  for (const directive of text.split(",")) {
    const [, module, name = ""] = /^(?:([\w.:/-]+)=)?(\w+)$/.exec(directive.trim()) ?? []
    const level = names[name.toLowerCase()]
    if (level === undefined) return undefined
    if (module === undefined) all = level
    else modules.push([module.replaceAll("::", "/"), level])
  }
  return { all, modules }
}

const isLogLevel = Schema.Literals(LogLevel.values)

/** {@link LogLevels} as `LOG_LEVEL` has them. */
export const LogLevelsFromString: Schema.Codec<LogLevels, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Struct({ all: isLogLevel, modules: Schema.Array(Schema.Tuple([Schema.String, isLogLevel])) }),
    SchemaTransformation.transformEffect({
      decode: (text: string) => {
        const levels = parse(text)
        return levels === undefined
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: "not log levels" }))
          : Effect.succeed(levels)
      },
      encode: ({ all, modules }) => Effect.succeed([all, ...modules.map((module) => module.join("="))].join())
    })
  )
)

/** The levels in force. */
export const CurrentLogLevels = Context.Reference<LogLevels>("xfchat/platform/CurrentLogLevels", {
  defaultValue: () => ({ all: "Info", modules: [] })
})

/** The level of a module: that of the longest name that is its own or a parent's. */
export const levelOf = ({ all, modules }: LogLevels, module: string | undefined): LogLevel.LogLevel => {
  let level = all
  let longest = -1
  for (const [name, itsLevel] of modules) {
    if (name.length > longest && (module === name || module?.startsWith(`${name}/`) === true)) {
      level = itsLevel
      longest = name.length
    }
  }
  return level
}

/** Whether a module logs a level, for lines that are costly to write. */
export const isLogged = (module: string, level: LogLevel.Severity): Effect.Effect<boolean> =>
  Effect.map(CurrentLogLevels, (levels) => LogLevel.isGreaterThanOrEqualTo(level, levelOf(levels, module)))

/** The annotation of a log line that names its module. */
export const moduleAnnotation = "module"

/** The log of a module, whose level `LOG_LEVEL` can set separately: `logOf("xfchat/http")`. */
export const logOf = (module: string) => {
  const inModule = Effect.annotateLogs(moduleAnnotation, module)
  return {
    debug: (...message: ReadonlyArray<unknown>) => inModule(Effect.logDebug(...message)),
    info: (...message: ReadonlyArray<unknown>) => inModule(Effect.logInfo(...message)),
    warning: (...message: ReadonlyArray<unknown>) => inModule(Effect.logWarning(...message)),
    error: (...message: ReadonlyArray<unknown>) => inModule(Effect.logError(...message))
  }
}
