import * as PgClient from "@effect/sql-pg/PgClient"
import { assert } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { chmod, mkdtemp, rename, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as EmbeddedPostgres from "../../src/postgres-embedded/EmbeddedPostgres.ts"

/** A process and its children, as `/proc` shows them. */
const family = (pid: number): ReadonlyArray<number> => {
  const parentOf = (child: string) => {
    try {
      // The state and the parent follow the name in parentheses.
      return Number(/\) \S (\d+) /.exec(readFileSync(`/proc/${child}/stat`, "utf8"))?.[1])
    } catch {
      // The process has ended.
      return undefined
    }
  }
  const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
  return [pid, ...children.map(Number)]
}

/**
 * A PostgreSQL of the test's own, which can be stopped, killed, frozen, and started again on the same port. Its commits are
 * on the disk.
 */
export const ownPostgres = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "xfchat-faults-"))
      // Owned by the user of the server, when the tests run as root.
      await chmod(folder, 0o755)
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }))
  )
  const start = Effect.fnUntraced(function* (port?: number) {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const options = { folder: join(folder, "postgres"), ...(port === undefined ? {} : { port }) }
    return { ...(yield* Scope.provide(EmbeddedPostgres.start(options), scope)), stop: Scope.close(scope, Exit.void) }
  })
  let running = yield* start()
  const { port, url } = running

  const signal = (name: NodeJS.Signals) =>
    Effect.sync(() => {
      const pid = Number.parseInt(readFileSync(join(running.folder, "data", "postmaster.pid"), "utf8"))
      // The postmaster first, so that it starts no other.
      for (const member of family(pid)) process.kill(member, name)
    })
  const restart = Effect.gen(function* () {
    yield* running.stop
    running = yield* start(port)
    assert.strictEqual(running.port, port)
  })
  const data = join(running.folder, "data")
  /** Keeps the owner and the rights of the files. */
  const copy = (from: string, to: string) => Effect.sync(() => execFileSync("cp", ["-a", from, to]))
  return {
    url,
    /** Copies the data of this moment. */
    keepMoment: Effect.gen(function* () {
      yield* running.stop
      yield* copy(data, `${data}.moment`)
      running = yield* start(port)
    }),
    /**
     * Loses all commits since {@link keepMoment}: the data of that moment are put back, or served by a replica that had come
     * no further and takes over.
     */
    loseMoment: Effect.fnUntraced(function* (how: "put back" | "taken over") {
      yield* signal("SIGKILL")
      yield* running.stop
      yield* Effect.promise(async () => {
        await rename(data, `${data}.lost`)
        await rename(`${data}.moment`, data)
      })
      if (how === "taken over") writeFileSync(join(data, "standby.signal"), "")
      running = yield* start(port)
      if (how === "put back") return
      yield* PgClient.makeClient({ url }).pipe(
        Effect.flatMap((sql) => sql`SELECT pg_promote()`),
        Effect.provide(Reactivity.layer),
        Effect.scoped
      )
    }),
    /** The folder of the data. */
    data,
    /** Stops it properly, and starts it again. */
    restart,
    /** Kills it and all its backends, and starts it again. */
    crash: Effect.andThen(signal("SIGKILL"), restart),
    /** Until it is thawed, it accepts connections and answers nothing. */
    freeze: signal("SIGSTOP"),
    thaw: signal("SIGCONT")
  }
})
