import { Array as Arrays, Config, Console, Data, Effect, Option, Result } from "effect"
import * as Configuration from "../platform/Configuration.ts"

const width = Math.max(...Configuration.variables.map(({ variable }) => variable.length)) + 2

/** What is in force, without any secret; fails with what is wrong. */
const describe = Effect.fnUntraced(function* (variable: Configuration.Variable<unknown>) {
  const given = yield* Config.option(Config.String(variable.variable))
  if (Option.isNone(given)) return variable.byDefault === undefined ? "not set" : `${variable.byDefault} (default)`
  // What is malformed is not shown either: it may be a secret in the wrong place.
  yield* Effect.mapError(variable, () => `malformed: must be ${variable.takes}`)
  return variable.isSecret ? "set, hidden" : given.value
})

/** At least one variable is not what it must be. */
class ConfigurationMalformed extends Data.TaggedError("ConfigurationMalformed") {
  override readonly message = "The server would not start: correct what is malformed in the environment."
}

/** Prints each variable with what is in force; fails when one is malformed. */
export const showConfiguration = Effect.gen(function* () {
  const described = yield* Effect.forEach(Configuration.variables, (variable) => Effect.result(describe(variable)))
  for (const [variable, value] of Arrays.zip(Configuration.variables, described)) {
    yield* Console.log(`${variable.variable.padEnd(width)}${Result.merge(value)}`)
  }
  if (described.some(Result.isFailure)) return yield* new ConfigurationMalformed()
})
