import { assert, describe, it, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Schedule } from "effect"
import { HttpApi } from "effect/http-api"
import { Api } from "../../src/contract/Api.ts"
import { payloadBounds } from "../../src/http/PayloadBounds.ts"
import { classOf } from "../../src/limits/Limits.ts"
import { routeClasses, type RouteClass } from "../../src/contract/RouteClass.ts"
import { signedIn, TestDatabase, TestServer } from "../../src/testing/index.ts"
import { nobody, password, Person, uniqueName } from "../../src/conformance/Client.ts"
import { proxy } from "../process/tcp.ts"
import { hasRedis, startRedis } from "../redisServer.ts"
import { startServer } from "../serverProcess.ts"

type Environment = Record<string, string>

/** The server on a socket, in an environment of its own. */
const serverWith = (environment: Environment) =>
  TestServer.layerSocket.pipe(
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(environment), { asPrimary: true }))
  )

const limitsOf = (limits: Partial<Record<RouteClass, number>>): Environment =>
  Object.fromEntries(Object.entries(limits).map(([name, limit]) => [`RATE_LIMIT_${name.toUpperCase()}`, `${limit}`]))

const ask = Effect.fnUntraced(function* (
  path: string,
  { token, ...init }: Omit<RequestInit, "headers"> & { headers?: Environment; token?: string } = {}
) {
  const { baseUrl, fetch } = yield* TestServer
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(init.body === undefined ? {} : { "content-type": "application/json" }),
    ...init.headers
  }
  const response = yield* Effect.promise(() => fetch(`${baseUrl}${path}`, { ...init, headers }))
  yield* Effect.promise(async () => response.body?.cancel())
  return response
})

const signUp = (headers: Environment = {}) => {
  const username = uniqueName()
  const body = JSON.stringify({ username, email: `${username}@example.com`, password })
  return ask("/api/auth/signup", { method: "POST", body, headers })
}

const statuses = (responses: ReadonlyArray<Response>) => responses.map(({ status }) => status)

/** The limit in an answer's headers, in both notations. */
const limitIn = ({ headers }: Response) => {
  const number = (name: string) => Number(headers.get(`ratelimit-${name}`) ?? Number.NaN)
  const [, routeClass, quota, window] = /^"(\w+)";q=(\d+);w=(\d+)$/.exec(headers.get("ratelimit-policy") ?? "") ?? []
  if (routeClass === undefined) return undefined
  const [limit, remaining, reset] = [number("limit"), number("remaining"), number("reset")]
  assert.deepStrictEqual([Number(quota), Number(window)], [limit, 60])
  assert.strictEqual(headers.get("ratelimit"), `"${routeClass}";r=${remaining};t=${reset}`)
  return { routeClass, limit, remaining, reset }
}

const routes: Array<{
  readonly name: string
  readonly method: string
  readonly path: string
  readonly routeClass: RouteClass
  readonly mediaType: string
}> = []
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => {
    if (group.identifier === "operations") return
    routes.push({
      name: `${endpoint.method} ${endpoint.path}`,
      method: endpoint.method,
      path: endpoint.path.replaceAll(/:\w+/g, nobody),
      routeClass: classOf({ endpoint, group }),
      mediaType: endpoint.payload.size === 0 ? "application/json" : payloadBounds(endpoint).mediaType
    })
  }
})

layer(
  serverWith(
    Object.fromEntries(routeClasses.map((name, index) => [`RATE_LIMIT_${name.toUpperCase()}`, `${1_000 + index}`]))
  ),
  {
    excludeTestServices: true
  }
)("Every route of the contract", (it) => {
  for (const { mediaType, method, name, path, routeClass } of routes) {
    it.effect(`has a limit, and its answers tell it: ${name}`, () =>
      Effect.gen(function* () {
        const { token } = yield* signedIn()
        const body = method === "GET" || method === "DELETE" ? {} : { body: "{}" }
        const headers = { "content-type": mediaType }
        const told = limitIn(yield* ask(path, { method, token, headers, ...body }))
        assert.deepStrictEqual([told?.routeClass, told?.limit], [routeClass, 1_000 + routeClasses.indexOf(routeClass)])
      })
    )
  }

  it("has the class of its annotation or its method", () => {
    const classes = new Map(routes.map(({ name, routeClass }) => [name, routeClass]))
    assert.strictEqual(classes.get("POST /api/auth/signup"), "authentication")
    assert.strictEqual(classes.get("POST /api/auth/login"), "authentication")
    assert.strictEqual(classes.get("PUT /api/conversations/:id/messages/:messageId"), "sending")
    assert.strictEqual(classes.get("POST /api/conversations/:id/messages"), "sending")
    assert.strictEqual(classes.get("GET /api/conversations/:id/messages"), "reading")
    assert.strictEqual(classes.get("POST /api/conversations"), "writing")
  })

  const streams: Record<string, Environment> = {
    "Braid-HTTP": { subscribe: "true" },
    "server-sent events": { accept: "text/event-stream" },
    lines: { accept: "application/x-ndjson, */*;q=0.1" }
  }
  for (const [encoding, headers] of Object.entries(streams)) {
    it.effect(`counts as a stream when one is asked for, as ${encoding}`, () =>
      Effect.gen(function* () {
        const { token } = yield* signedIn()
        const response = yield* ask("/api/inbox", { headers, token })
        assert.isBelow(response.status, 300)
        assert.strictEqual(limitIn(response)?.routeClass, "streaming")
      })
    )
  }

  it.effect("counts as a stream when it is a long poll", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn()
      assert.strictEqual(limitIn(yield* ask("/api/inbox?wait=1s", { token }))?.routeClass, "streaming")
    })
  )
})

layer(serverWith(limitsOf({ reading: 3, writing: 2, authentication: 2 })), { excludeTestServices: true })(
  "Whoever asks too much",
  (it) => {
    it.effect("learns what is left, and then when to retry", () =>
      Effect.gen(function* () {
        const { token } = yield* signedIn()
        const responses = yield* Effect.replicateEffect(ask("/api/auth/me", { token }), 4)
        assert.deepStrictEqual(statuses(responses), [200, 200, 200, 429])
        assert.deepStrictEqual(
          responses.map((response) => limitIn(response)?.remaining),
          [2, 1, 0, 0]
        )
        const refused = responses.at(-1)
        // One comes back every twenty seconds.
        const later = Number(refused?.headers.get("retry-after"))
        assert.isTrue(later > 0 && later <= 20, `${later}`)
        assert.strictEqual(limitIn(refused!)?.reset, later + 40)
      })
    )

    it.effect("gets a problem that names the limit", () =>
      Effect.gen(function* () {
        const { token } = yield* signedIn()
        yield* Effect.replicateEffect(ask("/api/auth/me", { token }), 3)
        const { baseUrl } = yield* TestServer
        const response = yield* Effect.promise(() =>
          fetch(`${baseUrl}/api/auth/me`, { headers: { authorization: `Bearer ${token}` } })
        )
        const { retryAfter, ...problem } = (yield* Effect.promise(() => response.json())) as { retryAfter: number }
        assert.strictEqual(String(retryAfter), response.headers.get("retry-after"))
        assert.deepStrictEqual(problem as object, {
          type: "RateLimited",
          status: 429,
          title: "Too many requests",
          detail: "At most 3 requests of this kind (reading) a minute."
        })
      })
    )

    it.effect("limits nobody else, and no other class", () =>
      Effect.gen(function* () {
        const [ada, grace] = [yield* signedIn(), yield* signedIn()]
        yield* Effect.replicateEffect(ask("/api/auth/me", ada), 4)
        const logout = ask("/api/auth/logout", { method: "POST", ...ada })
        assert.deepStrictEqual(statuses([yield* ask("/api/auth/me", grace), yield* logout]), [200, 204])
      })
    )

    it.effect("counts requests that fail for another reason, too", () =>
      Effect.gen(function* () {
        const { token } = yield* signedIn()
        const nothing = `/api/conversations/${nobody}`
        const responses = [
          yield* ask(nothing, { token }),
          yield* ask("/api/conversations?limit=none", { token }),
          yield* ask(nothing, { token }),
          yield* ask(nothing, { token })
        ]
        assert.deepStrictEqual(statuses(responses), [404, 422, 404, 429])
      })
    )

    it.effect("is not counted before authentication", () =>
      Effect.gen(function* () {
        const response = yield* ask("/api/auth/me", { token: "guess" })
        assert.strictEqual(response.status, 401)
        assert.isUndefined(limitIn(response))
      })
    )
  }
)

layer(serverWith({ ...limitsOf({ authentication: 2 }), TRUSTED_PROXIES: "127.0.0.1" }), { excludeTestServices: true })(
  "Signing up and signing in",
  (it) => {
    const from = (address: string) => ({ "x-forwarded-for": address })
    const login = (address: string) =>
      ask("/api/auth/login", {
        method: "POST",
        body: JSON.stringify({ login: "nobody", password }),
        headers: from(address)
      })

    it.effect("are limited together, by the address of the client", () =>
      Effect.gen(function* () {
        const one = [
          yield* signUp(from("203.0.113.1")),
          yield* login("203.0.113.1"),
          yield* signUp(from("203.0.113.1"))
        ]
        assert.deepStrictEqual(statuses(one), [201, 401, 429])
        assert.strictEqual(limitIn(one[0]!)?.routeClass, "authentication")
        assert.deepStrictEqual(statuses([yield* signUp(from("203.0.113.2"))]), [201])
      })
    )

    it.effect("are limited by the network of an IPv6 address", () =>
      Effect.gen(function* () {
        const answers = [
          yield* login("2001:db8:0:1::1"),
          yield* login("2001:db8:0:1:ffff::2"),
          yield* login("2001:db8:0:1::3"),
          yield* login("2001:db8:0:2::1")
        ]
        assert.deepStrictEqual(statuses(answers), [401, 401, 429, 401])
      })
    )
  }
)

layer(TestServer.layerSocket, { excludeTestServices: true })("Limits of none", (it) => {
  it.effect("let every request pass, without headers", () =>
    Effect.gen(function* () {
      const { token } = yield* signedIn()
      const answers = yield* Effect.replicateEffect(ask("/api/auth/me", { token }), 700, { concurrency: 16 })
      for (const answer of answers) assert.deepStrictEqual([answer.status, limitIn(answer)], [200, undefined])
    })
  )
})

describe.skipIf(!hasRedis)(
  "Two processes with a Redis (needs redis-server in PATH, or REDIS_URL)",
  { timeout: 60_000 },
  () => {
    const twoProcesses = Effect.fnUntraced(function* (redisUrl: Redacted.Redacted, limit: number) {
      const { url } = yield* TestDatabase
      const environment = { REDIS_URL: Redacted.value(redisUrl), ...limitsOf({ reading: limit }) }
      const [one, other] = yield* Effect.all(
        [startServer("node", url, environment), startServer("deno", url, environment)],
        {
          concurrency: 2
        }
      )
      const ada = yield* Effect.promise(() => Person.signUp({ url: one.baseUrl }))
      const askAt = ({ baseUrl }: { readonly baseUrl: string }) =>
        Effect.promise(() => fetch(`${baseUrl}/api/auth/me`, { headers: { authorization: `Bearer ${ada.token}` } }))
      return { one, other, askAt }
    })

    it.live("share their limits", () =>
      Effect.gen(function* () {
        const { askAt, one, other } = yield* twoProcesses(yield* startRedis, 4)
        const answers = yield* Effect.forEach([one, other, one, other, one, other], askAt)
        assert.deepStrictEqual(statuses(answers), [200, 200, 200, 200, 429, 429])
        assert.deepStrictEqual(
          answers.map((answer) => limitIn(answer)?.remaining),
          [3, 2, 1, 0, 0, 0]
        )
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live("limit on their own while it is away, and share again afterwards", () =>
      Effect.gen(function* () {
        const redis = yield* Effect.flatMap(startRedis, proxy)
        const { askAt, one, other } = yield* twoProcesses(redis.url, 4)
        assert.deepStrictEqual(statuses(yield* Effect.forEach([one, other], askAt)), [200, 200])
        yield* redis.breakDown
        for (const server of [one, other]) {
          const answers = yield* Effect.replicateEffect(askAt(server), 5)
          assert.deepStrictEqual(statuses(answers), [200, 200, 200, 200, 429])
          yield* server.line(/Redis is away: each process limits rates on its own/i)
        }
        yield* redis.triedInVain
        yield* redis.recover
        const isShared = Effect.map(Effect.forEach([one, other], askAt), () =>
          [one, other].every(({ output }) => output().includes("shared between processes again"))
        )
        yield* Effect.repeat(isShared, { until: (isShared) => isShared, schedule: Schedule.spaced("50 millis") })
        for (const { output } of [one, other]) {
          assert.strictEqual(output().match(/Redis is away/g)?.length, 1, output())
          assert.notMatch(output(), /^\s+at .*node_modules/m)
        }
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }
)
