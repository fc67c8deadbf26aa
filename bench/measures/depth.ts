import { Effect } from "effect"
import { median, progress, type Finding, type Measure, type Round } from "../Measure.ts"
import { makeConversations, makeMessages, settle, type Conversations } from "../Population.ts"
import { makeDatabase, startSubject } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
import type { Subscribing } from "../workers/subscribers.ts"

/** Messages on a page, and messages behind the head: as many as the smallest conversation has. */
const behind = 10

/** Opening a page, and resuming, however long the conversation is. */
export const depth: Measure = Effect.fn("measure depth")(function* (postgres, { profile, quick }) {
  const sizes = [10, 10_000, quick ? 100_000 : 1_000_000]
  const conversations: Conversations = { first: 1, count: sizes.length, participants: 2, users: 2 * sizes.length }
  const database = yield* makeDatabase(postgres, "bench_depth", conversations.users)
  yield* makeConversations(database.sql, conversations)
  for (const [index, size] of sizes.entries()) {
    yield* progress(`making ${size.toLocaleString("en")} messages`)
    yield* makeMessages(database.sql, { ...conversations, first: index + 1, count: 1 }, size)
  }
  yield* settle(database.sql)
  const subject = yield* startSubject(database, { profile })
  const reader = yield* startWorker<Subscribing>("subscribers")

  const read = (index: number) =>
    reader.call("read", {
      port: subject.port,
      secret: database.secret,
      conversations,
      conversation: index + 1,
      head: sizes[index]!,
      behind
    })

  // One of each size in turn, so that a disturbance of the machine affects all sizes.
  const turn = Effect.forEach(
    sizes.map((_, index) => index),
    read
  )
  yield* Effect.replicateEffect(turn, 50)
  const pages: Array<Round> = []
  const resumes: Array<Round> = []
  for (let round = 1; round <= (quick ? 2 : 5); round++) {
    const turns = yield* Effect.replicateEffect(turn, quick ? 50 : 200)
    const times = sizes.map((_, index) => ({
      page: median(turns.map((turn) => turn[index]!.page)),
      resume: median(turns.map((turn) => turn[index]!.resume))
    }))
    const text = times.map(({ page, resume }, i) => `${sizes[i]}: ${page.toFixed(2)} and ${resume.toFixed(2)} ms`)
    yield* progress(`round ${round}: page and resume with ${text.join(", ")}`)
    pages.push({ xfchat: times.at(-1)!.page, against: times[0]!.page })
    resumes.push({ xfchat: times.at(-1)!.resume, against: times[0]!.resume })
  }
  const finding = (what: string, rounds: ReadonlyArray<Round>): Finding => ({
    what: `${what}, ${sizes.at(-1)!.toLocaleString("en")} messages`,
    unit: "ms",
    against: "with 10",
    rounds,
    target: { bound: "at most", value: 1.5 }
  })
  return [finding("opening a page", pages), finding("resuming", resumes)]
})
