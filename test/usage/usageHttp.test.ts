import { assert, layer } from "@effect/vitest"
import { ConfigProvider, DateTime, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { clientOf, signedIn, TestServer, type TestUser } from "../../src/testing/index.ts"
import { routeClasses } from "../../src/contract/RouteClass.ts"
import { Client } from "../../src/conformance/Client.ts"
import { newId } from "../world.ts"

const serverWith = (environment: Record<string, string>) =>
  TestServer.layerSocket.pipe(
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(environment), { asPrimary: true }))
  )

interface Usage {
  readonly period: { readonly start: string; readonly end: string }
  readonly counts: Record<string, number>
  readonly limits: Record<string, number | null>
  readonly rateLimits: Record<string, number | null>
}

const as = ({ token }: TestUser) => Effect.map(TestServer, ({ baseUrl }) => new Client({ url: baseUrl }, token))

const usageOf = Effect.fnUntraced(function* (user: TestUser) {
  const client = yield* as(user)
  const { body, status } = yield* Effect.promise(() => client.get<Usage>("/api/usage"))
  assert.strictEqual(status, 200)
  return body
})

const aGroupOf = Effect.fnUntraced(function* (user: TestUser) {
  const client = yield* clientOf(user)
  return (yield* client.conversations.create({ payload: { participantIds: [] } })).id
})

layer(serverWith({ QUOTA_MESSAGES_PER_MONTH: "2", RATE_LIMIT_SEARCHING: "60" }), { excludeTestServices: true })(
  "GET /api/usage",
  (it) => {
    it.effect("shows this month's usage and limits", () =>
      Effect.gen(function* () {
        const ada = yield* signedIn()
        const client = yield* as(ada)
        const id = yield* aGroupOf(ada)
        const path = `/api/conversations/${id}/messages/${newId()}`
        for (const status of [201, 200, 200]) {
          assert.strictEqual((yield* Effect.promise(() => client.put(path, { content: "hello" }))).status, status)
        }
        const { counts, limits, period, rateLimits } = yield* usageOf(ada)
        const month = DateTime.startOf(yield* DateTime.now, "month")
        assert.deepStrictEqual(period, {
          start: DateTime.formatIso(month),
          end: DateTime.formatIso(DateTime.add(month, { months: 1 }))
        })
        assert.deepStrictEqual(counts, {
          messagesSent: 1,
          conversationsCreated: 1,
          friendRequests: 0,
          contentBytes: 5,
          requests: 5,
          streamsOpened: 0,
          streamMinutes: 0
        })
        assert.deepStrictEqual(limits, {
          messagesSent: 2,
          conversationsCreated: null,
          friendRequests: null,
          contentBytes: null,
          requests: null,
          streamsOpened: null,
          streamMinutes: null
        })
        assert.sameMembers(Object.keys(rateLimits), [...routeClasses])
        assert.strictEqual(rateLimits["searching"], 60)
        assert.isNull(rateLimits["reading"])
      })
    )

    it.effect("and its quota pass over rows whose dates are infinite", () =>
      Effect.gen(function* () {
        const ada = yield* signedIn()
        const sql = yield* SqlClient.SqlClient
        yield* sql`
          INSERT INTO usage_tracking (user_id, metric_type, count, period_start, period_end)
          SELECT ${ada.id}, 'messages_sent', 100, day::date, day::date FROM unnest(ARRAY['infinity', '-infinity']) AS day`
        // Its end is infinite, and it counts.
        yield* sql`
          INSERT INTO usage_tracking (user_id, metric_type, count, period_start, period_end)
          SELECT ${ada.id}, 'messages_sent', 1, date_trunc('month', now() AT TIME ZONE 'UTC')::date, 'infinity'`
        assert.strictEqual((yield* usageOf(ada)).counts["messagesSent"], 1)
        const client = yield* as(ada)
        const path = `/api/conversations/${yield* aGroupOf(ada)}/messages`
        for (const status of [201, 429]) {
          const send = () => client.put(`${path}/${newId()}`, { content: "hello" })
          assert.strictEqual((yield* Effect.promise(send)).status, status)
        }
        assert.strictEqual((yield* usageOf(ada)).counts["messagesSent"], 2)
      })
    )

    it.effect("is a user's own", () =>
      Effect.gen(function* () {
        const [ada, grace] = [yield* signedIn(), yield* signedIn()]
        yield* aGroupOf(ada)
        assert.strictEqual((yield* usageOf(grace)).counts["conversationsCreated"], 0)
        const { baseUrl } = yield* TestServer
        const nobody = yield* Effect.promise(() => new Client({ url: baseUrl }).get("/api/usage"))
        assert.strictEqual(nobody.status, 401)
      })
    )

    it.effect("a response beyond a quota says the limit, and when it resets", () =>
      Effect.gen(function* () {
        const ada = yield* signedIn()
        const client = yield* as(ada)
        const id = yield* aGroupOf(ada)
        const send = () => client.put(`/api/conversations/${id}/messages/${newId()}`, { content: "hello" })
        for (const status of [201, 201]) assert.strictEqual((yield* Effect.promise(send)).status, status)
        const { body, headers, status } = yield* Effect.promise(send)
        assert.strictEqual(status, 429)
        const { period } = yield* usageOf(ada)
        const seconds = Number(headers.get("retry-after"))
        assert.deepStrictEqual(body as object, {
          type: "QuotaExceeded",
          status: 429,
          title: "The quota for this month is used up",
          detail: "At most 2 a month, UTC (messagesSent).",
          limit: 2,
          resetsAt: period.end,
          retryAfter: seconds
        })
        const left = DateTime.toEpochMillis(DateTime.makeUnsafe(period.end)) - Date.now()
        assert.isTrue(seconds * 1_000 >= left && seconds * 1_000 < left + 60_000, `${seconds} for ${left}`)
      })
    )
  }
)

layer(serverWith({ QUOTA_REQUESTS_PER_MONTH: "5", QUOTA_STREAMS_PER_MONTH: "2" }), { excludeTestServices: true })(
  "Quotas of requests and streams",
  (it) => {
    it.effect("refuse every request beyond them", () =>
      Effect.gen(function* () {
        const [ada, grace] = [yield* signedIn(), yield* signedIn()]
        const client = yield* as(ada)
        const ask = () => client.get("/api/auth/me")
        for (const status of [200, 200, 200, 200, 200, 429]) {
          assert.strictEqual((yield* Effect.promise(ask)).status, status)
        }
        const refused = yield* Effect.promise(() => client.post("/api/conversations", { participantIds: [] }))
        assert.strictEqual(refused.body.type, "QuotaExceeded")
        assert.strictEqual((yield* usageOf(grace)).counts["requests"], 1)
      })
    )

    it.effect("count streams in every encoding", () =>
      Effect.gen(function* () {
        const ada = yield* signedIn()
        const client = yield* as(ada)
        const poll = () => client.get("/api/inbox?wait=1s")
        for (const status of [200, 200, 429]) assert.strictEqual((yield* Effect.promise(poll)).status, status)
        assert.strictEqual((yield* Effect.promise(() => client.get("/api/inbox"))).status, 200)
        const { counts } = yield* usageOf(ada)
        assert.deepStrictEqual([counts["streamsOpened"], counts["requests"]], [2, 4])
      })
    )
  }
)
