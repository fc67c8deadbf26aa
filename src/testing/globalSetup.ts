import { Config, Effect, Exit, Option, Redacted, Scope } from "effect"
import * as EmbeddedPostgres from "../postgres-embedded/EmbeddedPostgres.ts"

/**
 * Vitest's `globalSetup`: one PostgreSQL for the whole run. It is the one of TEST_DATABASE_URL, or else a temporary one, which
 * the tests find by the same variable.
 */
export default async function globalSetup(): Promise<() => Promise<void>> {
  const scope = Scope.makeUnsafe()
  const start = Effect.gen(function* () {
    const given = yield* Config.option(Config.Redacted("TEST_DATABASE_URL"))
    if (Option.isSome(given)) return
    const { url } = yield* EmbeddedPostgres.start()
    process.env["TEST_DATABASE_URL"] = Redacted.value(url)
  })
  await Effect.runPromise(Scope.provide(start, scope))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
