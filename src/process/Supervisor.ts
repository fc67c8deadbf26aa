import { Array as Arrays, Data, Deferred, Duration, Effect, Exit, Option, Runtime } from "effect"
import { fork, type ChildProcess } from "node:child_process"
import process from "node:process"
import { Configuration, environmentWith } from "../platform/Configuration.ts"
import { logOf } from "../platform/Log.ts"
import { stopTimeout } from "../Server.ts"
import { mergeMetrics } from "./MergedMetrics.ts"
import { findPort } from "./Port.ts"
import { connect, type ProcessChannel } from "./ProcessChannel.ts"

const log = logOf("xfchat/process")

/** A process that ended sooner than this after its start waits before the next start. */
const shortLife = Duration.seconds(30)
const firstWait = Duration.millis(500)
const longestWait = Duration.seconds(30)

/** The first process ended before it served. It has said why. */
export class CannotStart extends Data.TaggedError("CannotStart")<{ readonly exitCode: number }> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** The exit code of a process, or the signal that ended it. */
type End = number | NodeJS.Signals

const endOf = (child: ChildProcess) => {
  const end = Deferred.makeUnsafe<End>()
  child.once("exit", (code, signal) => Deferred.doneUnsafe(end, Exit.succeed(code ?? signal ?? "SIGKILL")))
  child.once("error", () => Deferred.doneUnsafe(end, Exit.succeed(1)))
  return end
}

/** Asks the process to stop as a signal would, and waits until it has. One that does not stop in time is killed. */
const stop = (child: ChildProcess, end: Deferred.Deferred<End>) =>
  Effect.andThen(
    Effect.sync(() => child.kill("SIGTERM")),
    Effect.timeoutOrElse(Deferred.await(end), {
      duration: Duration.times(stopTimeout, 2),
      orElse: () =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          Deferred.await(end)
        )
    })
  )

/**
 * Runs several processes of this program on one port, which the system shares between them, until it is interrupted: then it
 * stops them all. It starts the first process alone, so that migrations run once and a wrong configuration is reported once,
 * and fails if that one does not serve. A process that ends later is replaced.
 *
 * Any process answers `/metrics` for all.
 */
export const supervise = Effect.fn("Supervisor.supervise")(function* (processes: number) {
  const host = yield* Configuration.serverHost
  const port = yield* findPort(host, yield* Configuration.serverPort)
  const serving = new Map<number, ProcessChannel>()

  const metrics = Effect.suspend(() =>
    Effect.forEach(
      [...serving].toSorted(([a], [b]) => a - b),
      ([number, { askMetrics }]) =>
        Effect.map(
          askMetrics,
          Option.map((text) => [number, text] as const)
        ),
      { concurrency: "unbounded" }
    )
  ).pipe(Effect.map((answers) => mergeMetrics(new Map(answers.flatMap(Option.toArray)))))

  /** Completes when the first process serves. */
  const firstServes = yield* Deferred.make<void, CannotStart>()

  /** Runs a process, and waits for its end. */
  const runProcess = Effect.fnUntraced(function* (number: number) {
    const [, program = "", ...args] = process.argv
    const env = environmentWith({ SERVER_PROCESS: String(number), SERVER_PORT: String(port) })
    const { child, end } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = fork(program, args, { env })
        return { child, end: endOf(child) }
      }),
      ({ child, end }) => stop(child, end)
    )
    const listening = yield* Deferred.make<void>()
    const channel: ProcessChannel = yield* connect(child, {
      listening: () => {
        serving.set(number, channel)
        Deferred.doneUnsafe(listening, Exit.void)
        Deferred.doneUnsafe(firstServes, Exit.void)
      },
      metrics
    })
    const report = log.info(`Process ${number} serves (pid ${child.pid}).`)
    yield* Effect.forkScoped(Effect.andThen(Deferred.await(listening), report))
    yield* Effect.addFinalizer(() => Effect.sync(() => serving.delete(number)))
    return { end: yield* Deferred.await(end), pid: child.pid }
  }, Effect.scoped)

  /** Runs a process, and another one whenever it has ended. */
  const keepProcess = Effect.fnUntraced(function* (number: number) {
    let wait = Duration.zero
    while (true) {
      const [lived, { end, pid }] = yield* Effect.timed(runProcess(number))
      const exitCode = typeof end === "number" ? end : 1
      if (Deferred.doneUnsafe(firstServes, Exit.fail(new CannotStart({ exitCode })))) return
      wait = Duration.isGreaterThan(lived, shortLife)
        ? Duration.zero
        : Duration.clamp(Duration.times(wait, 2), { minimum: firstWait, maximum: longestWait })
      const when = Duration.isZero(wait) ? "now" : `in ${Duration.format(wait)}`
      yield* log.warning(`Process ${number} (pid ${pid}) ended: ${end}. Another one starts ${when}.`)
      yield* Effect.sleep(wait)
    }
  })

  yield* Effect.forkScoped(keepProcess(1))
  yield* Deferred.await(firstServes)
  yield* Effect.forEach(Arrays.range(2, processes), keepProcess, { concurrency: "unbounded", discard: true })
  return yield* Effect.never
}, Effect.scoped)
