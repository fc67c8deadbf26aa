import { Effect } from "effect"
import { progress, type Finding, type Measure, type Round } from "../Measure.ts"
import { makeConversations, settle, type Conversations } from "../Population.ts"
import { residentBytes } from "../ProcessUsage.ts"
import { makeDatabase, startSubject } from "../Subject.ts"
import { startWorker } from "../Worker.ts"
import type { BareServer } from "../workers/bareServer.ts"
import type { Subscribing } from "../workers/subscribers.ts"

/** Memory of a subscription on which nothing happens: two people in each conversation, each with one. */
export const idle: Measure = Effect.fn("measure idle subscriptions")(function* (postgres, { profile, quick }) {
  const users = quick ? 1_000 : 5_000
  const conversations: Conversations = { first: 1, count: users / 2, participants: 2, users }
  // A first few subscriptions, so that code and objects that are made once are not counted.
  const early: Conversations = { first: users, count: 50, participants: 2, users }
  const database = yield* makeDatabase(postgres, "bench_idle", users)
  yield* makeConversations(database.sql, conversations)
  yield* makeConversations(database.sql, early)
  yield* settle(database.sql)

  const grown = Effect.fnUntraced(function* (
    server: { readonly pid: number; readonly port: number },
    collectGarbage: Effect.Effect<void, unknown>
  ) {
    const subscribers = yield* startWorker<Subscribing>("subscribers")
    // A heap shrinks in steps: a later collection returns the pages that an earlier one has freed.
    const settled = Effect.repeat(Effect.andThen(collectGarbage, Effect.sleep("500 millis")), { times: 3 })
    const target = { port: server.port, secret: database.secret }
    yield* subscribers.call("open", { ...target, conversations: early })
    yield* settled
    const before = residentBytes(server.pid)
    yield* subscribers.call("open", { ...target, conversations })
    yield* settled
    return (residentBytes(server.pid) - before) / users / 1024
  }, Effect.scoped)

  const xfchat = Effect.gen(function* () {
    const subject = yield* startSubject(database, { profile })
    return yield* grown(subject, subject.collectGarbage)
  }).pipe(Effect.scoped)

  const bare = Effect.gen(function* () {
    const server = yield* startWorker<BareServer>("bareServer")
    const port = yield* server.call("listen", "")
    return yield* grown({ pid: server.pid, port }, server.call("collectGarbage"))
  }).pipe(Effect.scoped)

  const rounds: Array<Round> = []
  for (let round = 1; round <= (quick ? 1 : 3); round++) {
    const ours = yield* xfchat
    const against = yield* bare
    yield* progress(`round ${round}: XFChat ${ours.toFixed(1)} KB, bare ${against.toFixed(1)} KB`)
    rounds.push({ xfchat: ours, against })
  }
  return [
    {
      what: `memory of an idle subscription, ${users.toLocaleString("en")}`,
      unit: "KB",
      against: "bare node:http",
      rounds,
      target: { bound: "at most", value: 1.5 }
    }
  ] satisfies ReadonlyArray<Finding>
})
