import { Console, Data, Effect, FileSystem, Option, Runtime, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Report } from "../conformance/Report.ts"
import { run, select } from "../conformance/Run.ts"
import { subjects } from "../conformance/Subjects.ts"

/** At least one promise is broken. The report has shown which. */
export class PromisesBroken extends Data.TaggedError("PromisesBroken")<{ readonly count: number }> {
  override get message() {
    return this.count === 1 ? "The server breaks 1 promise." : `The server breaks ${this.count} promises.`
  }
}

/** Nothing could be tested. */
export class NothingTested extends Data.TaggedError("NothingTested")<{ readonly message: string }> {
  override readonly [Runtime.errorExitCode] = 2
}

const url = Flag.String("url").pipe(
  Flag.withMetavar("URL"),
  Flag.withDescription("Where the server listens, for example http://localhost:3000")
)

const only = Flag.String("only").pipe(
  Flag.withMetavar("NAME"),
  Flag.withDescription("Test only promises whose name, or whose subject's name, has this part"),
  Flag.withDefault("")
)

const json = Flag.String("json").pipe(
  Flag.withMetavar("FILE"),
  Flag.withDescription("Also write the outcomes to a file, as JSON"),
  Flag.optional
)

const timeout = Flag.Int("timeout").pipe(
  Flag.withMetavar("SECONDS"),
  Flag.withDescription("The most that one promise may take, without waits for rate limits"),
  Flag.withDefault(60)
)

/** Fails if nothing answers at the address. */
const reach = (url: string) =>
  Effect.gen(function* () {
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
      return yield* new NothingTested({ message: `${url} is no address that begins with http:// or https://.` })
    }
    yield* Effect.tryPromise({
      try: (signal) => fetch(url, { signal }).then(({ body }) => body?.cancel()),
      catch: (error) => {
        const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ""
        return new NothingTested({ message: `No server answers at ${url}${cause}. Start it first, or correct --url.` })
      }
    })
  })

export const conformance = Command.make("conformance", { url, only, json, timeout }, ({ json, only, timeout, url }) =>
  Effect.gen(function* () {
    if (select(only).length === 0) {
      const names = subjects.map(({ name }) => name).join(", ")
      return yield* new NothingTested({ message: `No promise has "${only}" in its name. The subjects are: ${names}.` })
    }
    yield* reach(url)
    const report = new Report()
    let hasWaited = false
    const onWait = () => {
      if (!hasWaited) process.stderr.write("The server limits requests, so the tests wait now and then.\n")
      hasWaited = true
    }
    yield* Stream.fromAsyncIterable(run({ url, only, timeoutSeconds: timeout, onWait }), (error) => error).pipe(
      Stream.runForEach((outcome) => Console.log(report.add(outcome).join("\n"))),
      Effect.orDie
    )
    yield* Console.log(`\n${report.summary}`)
    if (Option.isSome(json)) {
      const files = yield* FileSystem.FileSystem
      yield* files.writeFileString(json.value, report.json(url))
    }
    if (report.failed > 0) return yield* new PromisesBroken({ count: report.failed })
  })
).pipe(
  Command.withDescription(
    "Test whether a server keeps the promises of the documents. It needs the address alone, and leaves accounts and messages there: do not run it against one that people use. Exit code 1 when a promise is broken, 2 when nothing could be tested."
  )
)
