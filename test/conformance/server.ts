import { afterAll, describe, inject, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { People } from "../../src/conformance/People.ts"
import type { Server } from "../../src/conformance/Server.ts"
import type { Subject } from "../../src/conformance/Subject.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { runtimes, startServer, type Runtime } from "../serverProcess.ts"

/** A server that the test started, as a process that can be killed. */
export interface OwnServer extends Server {
  readonly kill: (signal: NodeJS.Signals) => Promise<void>
  /** Everything written so far. */
  readonly output: () => string
  /** The exit code, or the signal that killed it. */
  readonly exit: Promise<number | NodeJS.Signals>
  /** Starts another process on the same database and the same port. */
  readonly startAgain: () => Promise<OwnServer>
}

const start = async (runtime: Runtime, scope: Scope.Scope): Promise<OwnServer> => {
  const database = await Effect.runPromise(Layer.buildWithScope(TestDatabase.layer, scope))
  const { url } = Context.get(database, TestDatabase)
  const startOn = async (port: string): Promise<OwnServer> => {
    const server = await Effect.runPromise(Scope.provide(startServer(runtime, url, { SERVER_PORT: port }), scope))
    return {
      url: server.baseUrl,
      kill: (signal) => Effect.runPromise(server.kill(signal)),
      output: server.output,
      exit: Effect.runPromise(server.exit),
      startAgain: () => startOn(server.port)
    }
  }
  return startOn("0")
}

const ownRuntimes = Object.keys(runtimes) as Array<Runtime>

const targets = ownRuntimes.map((name) => ({ name, url: inject("sharedServers")[name] ?? "" }))

/** Defines the tests of a subject, for the server of each runtime that all these tests share. */
export const conformance = (subject: string, tests: (server: Server) => void): void => {
  describe.each(targets)(`${subject}, on $name:`, (server) => {
    tests(server)
  })
}

/** Defines the promises of a subject as tests. */
export const keeps = ({ name, promises }: Subject, { concurrent = false } = {}): void => {
  conformance(name, ({ url }) => {
    const server = { url, people: new People() }
    const define = concurrent ? it.concurrent : it
    define.each(Object.entries(promises))("%s", (_, test) => test(server))
  })
}

/** Defines tests that kill the servers they start. */
export const processConformance = (subject: string, tests: (start: () => Promise<OwnServer>) => void): void => {
  describe.each(ownRuntimes)(`${subject}, on %s:`, (runtime) => {
    const scope = Scope.makeUnsafe()
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    tests(() => start(runtime, scope))
  })
}
