import { Data, Effect, type Scope } from "effect"
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"

/** A load process failed, or ended. */
export class WorkerFailed extends Data.TaggedError("WorkerFailed")<{ readonly message: string }> {}

/** The commands of a worker, by name: see {@link serve} in workers/serve.ts. */
export type Commands = Readonly<Record<string, (input: never) => Promise<unknown>>>

/** A worker's answer to a command. */
export type Answer = { readonly result: unknown } | { readonly error: string }

export interface Worker<C extends Commands> {
  readonly pid: number
  /** Runs a command. Only one runs at a time. */
  readonly call: <K extends keyof C & string>(
    command: K,
    ...input: Parameters<C[K]>
  ) => Effect.Effect<Awaited<ReturnType<C[K]>>, WorkerFailed>
}

/** Starts a file of workers/ as a process of its own, since load must not share an event loop with the server that bears it. */
export const startWorker = Effect.fn("startWorker")(function* <C extends Commands>(
  name: string
): Effect.fn.Return<Worker<C>, never, Scope.Scope> {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      fork(fileURLToPath(new URL(`./workers/${name}.ts`, import.meta.url)), { execArgv: ["--expose-gc"] })
    ),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  const call: Worker<C>["call"] = (command, ...[input]) =>
    Effect.callback((resume) => {
      const finish = (answer: Answer) => {
        child.off("message", finish).off("exit", ended)
        resume(
          "error" in answer
            ? new WorkerFailed({ message: `${name}, ${command}: ${answer.error}` })
            : Effect.succeed(answer.result as Awaited<ReturnType<C[typeof command]>>)
        )
      }
      const ended = () => finish({ error: "the process ended" })
      child.on("message", finish).on("exit", ended)
      child.send({ command, input })
    })
  return { pid: child.pid!, call }
})
