import { ConfigProvider, Context, Effect, Exit, Layer, Scope } from "effect"
import type { TestProject } from "vitest/node"
import { TestDatabase } from "../../src/testing/index.ts"
import { runtimes, startServer, type Runtime } from "../serverProcess.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Where the shared server of each runtime listens. */
    readonly sharedServers: Readonly<Partial<Record<string, string>>>
  }
}

const start = Effect.fn("start")(function* (runtime: Runtime) {
  const { url } = Context.get(yield* Layer.build(TestDatabase.layer), TestDatabase)
  const { baseUrl } = yield* startServer(runtime, url)
  return [runtime, baseUrl] as const
})

/** Vitest's `globalSetup`: one server of each runtime, on a new database, for all the files that neither stop nor configure it. */
export default async function globalSetup(project: TestProject): Promise<() => Promise<void>> {
  const names = Object.keys(runtimes) as Array<Runtime>
  const scope = Scope.makeUnsafe()
  const started = Effect.forEach(names, start, { concurrency: "unbounded" }).pipe(
    // The default provider read the environment before the database's setup wrote TEST_DATABASE_URL into it.
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv()))
  )
  project.provide("sharedServers", Object.fromEntries(await Effect.runPromise(Scope.provide(started, scope))))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
