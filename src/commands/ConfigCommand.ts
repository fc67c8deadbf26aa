import { Array as Arrays, Config, Console, Data, Effect, Option, Result } from "effect"
import { Command } from "effect/cli"
import { variables } from "../platform/Configuration.ts"
import type { Variable } from "../platform/Variable.ts"

const width = Math.max(...variables.map(({ name }) => name.length)) + 2

/** The value in force, unless it is a secret; fails with what is wrong with it. */
const describe = Effect.fnUntraced(function* (variable: Variable<unknown>) {
  const given = yield* Config.option(Config.String(variable.name))
  if (Option.isNone(given))
    return variable.defaultValue === undefined ? "not set" : `${variable.defaultValue} (default)`
  // A malformed value is not shown either: it may be a secret in the wrong place.
  yield* Effect.mapError(variable, () => `malformed: must be ${variable.expected}`)
  return variable.isSecret ? "set, hidden" : given.value
})

/** At least one variable is malformed. */
class ConfigurationMalformed extends Data.TaggedError("ConfigurationMalformed") {
  override readonly message = "The server would not start: correct the malformed variables in the environment."
}

export const config = Command.make("config", {}, () =>
  Effect.gen(function* () {
    const described = yield* Effect.forEach(variables, (variable) => Effect.result(describe(variable)))
    for (const [{ name }, value] of Arrays.zip(variables, described)) {
      yield* Console.log(`${name.padEnd(width)}${Result.merge(value)}`)
    }
    if (described.some(Result.isFailure)) return yield* new ConfigurationMalformed()
  })
).pipe(Command.withDescription("Show each environment variable and the value in force. Secrets are not shown."))
