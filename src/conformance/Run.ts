import { AssertionError } from "node:assert"
import { performance } from "node:perf_hooks"
import type { Server } from "./Server.ts"
import { People } from "./People.ts"
import { notExpected, type Subject } from "./Subject.ts"
import { subjects } from "./Subjects.ts"

/** Why a promise counts as broken. */
export interface Failure {
  readonly message: string
  /** `undefined` where the message says it all. */
  readonly expected?: unknown
  readonly actual?: unknown
  /** The last requests and answers before the failure, the oldest first. */
  readonly trace: ReadonlyArray<string>
}

/** The outcome of one promise. */
export interface Outcome {
  readonly subject: string
  readonly document: string
  readonly promise: string
  readonly milliseconds: number
  /** `undefined` if the promise is kept. */
  readonly failure?: Failure
}

export interface Options {
  /** Of the server; a path at its end is kept, a slash at its end is not. */
  readonly url: string
  /** Part of the names of subjects or promises, in any case: the others are left out. */
  readonly only?: string
  /** The most that one promise may take, without the waits for rate limits. The default is 60. */
  readonly timeoutSeconds?: number
  /** Gets the seconds of each wait for a rate limit before it begins. */
  readonly onWait?: (seconds: number) => void
}

const includes = (name: string, part: string) => name.toLowerCase().includes(part.toLowerCase())

/** The subjects with the promises whose own name, or whose subject's, has a part. */
export const select = (only = ""): ReadonlyArray<Subject> =>
  subjects.flatMap((subject) => {
    const promises = Object.entries(subject.promises).filter(([name]) => includes(`${subject.name}: ${name}`, only))
    return promises.length === 0 ? [] : [{ ...subject, promises: Object.fromEntries(promises) }]
  })

const traced = 12

const failureOf = (error: unknown, trace: ReadonlyArray<string>): Failure => {
  const lines = trace.slice(-traced)
  if (error instanceof AssertionError) {
    const { actual, expected, generatedMessage, message } = error
    const values = actual === undefined && expected === undefined ? {} : { expected, actual }
    return { message: generatedMessage ? notExpected : message, ...values, trace: lines }
  }
  if (!(error instanceof Error)) return { message: String(error), trace: lines }
  const reason = error.cause instanceof Error ? `: ${error.cause.message}` : ""
  return { message: error.message + reason, trace: lines }
}

/** Tests one promise. */
const test = async (
  server: Server,
  promise: (server: Server) => Promise<void>,
  timeoutSeconds: number
): Promise<Omit<Outcome, "subject" | "document" | "promise">> => {
  const trace: Array<string> = []
  let late: () => void = () => {}
  const isLate = new Promise<void>((resolve) => (late = resolve))
  const expire = () => setTimeout(late, timeoutSeconds * 1_000)
  let timer = expire()
  let waits = 0
  const observed: Server = {
    ...server,
    trace: (line) => void trace.push(line),
    onWait: (seconds, ended) => {
      clearTimeout(timer)
      waits += 1
      server.onWait?.(seconds, ended)
      void ended.then(() => {
        waits -= 1
        if (waits === 0 && !isOver) timer = expire()
      })
    }
  }
  let isOver = false
  const began = performance.now()
  const failure = await Promise.race([
    promise(observed).then(
      () => undefined,
      (error: unknown) => failureOf(error, trace)
    ),
    isLate.then(() => failureOf(new Error(`it was not kept within ${timeoutSeconds} s`), trace))
  ])
  isOver = true
  clearTimeout(timer)
  if (failure !== undefined) server.people?.forget()
  return { milliseconds: Math.round(performance.now() - began), ...(failure === undefined ? {} : { failure }) }
}

/** Tests the promises of the documents one after the other, and yields each outcome as it is known. */
export async function* run({ only, onWait, timeoutSeconds = 60, url }: Options): AsyncGenerator<Outcome> {
  const server = { url: url.replace(/\/+$/, ""), people: new People(), ...(onWait === undefined ? {} : { onWait }) }
  // A test that has failed may leave requests behind, which fail later.
  const ignore = () => {}
  process.on("unhandledRejection", ignore)
  try {
    for (const { document, name, promises } of select(only)) {
      for (const [promise, keeps] of Object.entries(promises)) {
        yield { subject: name, document, promise, ...(await test(server, keeps, timeoutSeconds)) }
      }
    }
  } finally {
    process.off("unhandledRejection", ignore)
  }
}
