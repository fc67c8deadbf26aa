import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Option, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { IpNetwork } from "effect/net"
import { SqlClient } from "effect/sql"
import { Configuration } from "../../src/platform/Configuration.ts"
import { setClientAddress } from "../../src/http/ClientAddress.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { password, uniqueName } from "../../src/conformance/Client.ts"
import { runtimes, startServer, type Runtime } from "../serverProcess.ts"

const proxies = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8:aa::/48"].map(IpNetwork.fromStringUnsafe)

/** The address that a server behind these proxies takes for the client's. */
const clientOf = (
  peer: string | undefined,
  headers: Record<string, string>,
  trusted: ReadonlyArray<IpNetwork.IpNetwork> = proxies
) =>
  HttpServerRequest.HttpServerRequest.use(({ remoteAddress }) =>
    Effect.succeed(HttpServerResponse.jsonUnsafe(Option.getOrNull(remoteAddress)))
  ).pipe(
    setClientAddress(trusted),
    Effect.provideService(
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromWeb(new Request("http://xfchat.test/", { headers })).modify({
        remoteAddress: Option.fromUndefinedOr(peer)
      })
    ),
    Effect.map(HttpServerResponse.toWeb),
    Effect.flatMap((response) => Effect.promise(() => response.json()))
  )

const forwardedFor = (...addresses: ReadonlyArray<string>) => ({ "x-forwarded-for": addresses.join(", ") })

const Octet = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))

const ProxyAddress = Schema.Union([
  Schema.TemplateLiteral(["10.", Octet, ".", Octet, ".", Octet]),
  Schema.Literal("192.0.2.7"),
  Schema.Literal("2001:db8:aa::7")
])
/** An address that is not a proxy's, as a proxy writes it. */
const ClientAddress = Schema.Union([
  Schema.TemplateLiteral(["203.0.113.", Octet]),
  Schema.TemplateLiteral(["198.51.100.", Octet]),
  Schema.Literal("2001:db8:bb::1")
])
/** The values that an impostor may put in place of an address. */
const Forged = Schema.Union([
  ClientAddress,
  ProxyAddress,
  Schema.Literals(["unknown", "", "127.0.0.1", "::1", "[", "a b"])
])

describe("The client of a request", () => {
  it.effect.prop(
    "is the peer of our first proxy, whatever that peer claims to forward",
    [ClientAddress, Schema.Array(Forged), Schema.NonEmptyArray(ProxyAddress)],
    ([client, forged, path]) =>
      Effect.gen(function* () {
        // Each proxy adds the address that it was called from, and the last of them calls us.
        const added = [client, ...path.slice(0, -1)]
        const peer = path.at(-1)
        assert.strictEqual(yield* clientOf(peer, forwardedFor(...forged, ...added)), client)
      })
  )

  it.effect.prop(
    "is the peer if that is not one of our proxies, whatever it claims",
    [ClientAddress, Schema.Array(Forged)],
    ([client, forged]) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* clientOf(client, forwardedFor(...forged)), client)
        assert.strictEqual(yield* clientOf(client, forwardedFor(...forged), []), client)
      })
  )

  it.effect("is never a claim if no proxies are trusted, or the peer is unknown", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* clientOf("10.0.0.1", forwardedFor("203.0.113.9"), []), "10.0.0.1")
      assert.isNull(yield* clientOf(undefined, forwardedFor("203.0.113.9")))
    })
  )

  it.effect("is the proxy itself if the proxy names no client", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* clientOf("10.0.0.1", {}), "10.0.0.1")
      assert.strictEqual(yield* clientOf("10.0.0.1", forwardedFor("203.0.113.9", "unknown")), "10.0.0.1")
    })
  )

  it.effect("is one of our proxies if all addresses are: health checks come from within", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* clientOf("10.0.0.1", forwardedFor("10.0.0.3", "10.0.0.2")), "10.0.0.3")
    })
  )

  it.effect("is read with its port and its brackets, and an IPv4 address in IPv6 is an IPv4 address", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* clientOf("10.0.0.1", forwardedFor("203.0.113.9:4711")), "203.0.113.9")
      assert.strictEqual(yield* clientOf("10.0.0.1", forwardedFor("[2001:db8:bb::1]:4711")), "2001:db8:bb::1")
      assert.strictEqual(yield* clientOf("::ffff:10.0.0.1", forwardedFor("::ffff:203.0.113.9")), "203.0.113.9")
      assert.strictEqual(yield* clientOf("::ffff:203.0.113.9", {}, []), "203.0.113.9")
    })
  )

  it.effect("is not read from the header that our proxies do not write", () =>
    Effect.gen(function* () {
      const forwarded = { forwarded: "for=203.0.113.9", ...forwardedFor("198.51.100.1") }
      assert.strictEqual(yield* clientOf("10.0.0.1", forwarded), "198.51.100.1")
    })
  )
})

describe("TRUSTED_PROXIES", () => {
  const read = (value: string) =>
    Configuration.trustedProxies.pipe(
      Effect.map(Option.map((networks) => networks.map(IpNetwork.format))),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ TRUSTED_PROXIES: value })))
    )

  it.effect("takes addresses and networks of both families", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* read("10.0.0.0/8, 192.0.2.7,2001:db8::/32,::1"),
        Option.some(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::1/128"])
      )
    })
  )

  for (const wrong of ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8;::1", "10.0.0.0/8,", "*"]) {
    it.effect(`refuses ${wrong}`, () =>
      Effect.gen(function* () {
        assert.instanceOf(yield* Effect.flip(read(wrong)), Config.ConfigError)
      })
    )
  }
})

/** The address that a server records for a session, when its client claims to be forwarded. */
const addressOfSession = Effect.fnUntraced(function* (runtime: Runtime, environment: Record<string, string>) {
  const { url } = yield* TestDatabase
  const sql = yield* SqlClient.SqlClient
  const { baseUrl } = yield* startServer(runtime, url, environment)
  const username = uniqueName()
  const { status } = yield* Effect.promise(() =>
    fetch(`${baseUrl}/api/auth/signup`, {
      method: "POST",
      headers: { "content-type": "application/json", ...forwardedFor("192.0.2.99", "203.0.113.9") },
      body: JSON.stringify({ username, email: `${username}@example.com`, password })
    })
  )
  assert.strictEqual(status, 201)
  const [session] = yield* sql`
    SELECT address FROM sessions JOIN users u ON u.id = user_id WHERE u.username = ${username}`
  return session?.["address"]
})

describe("A session", () => {
  for (const runtime of Object.keys(runtimes) as Array<Runtime>) {
    it.live(`knows the address that it was opened from, on ${runtime}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* addressOfSession(runtime, {}), "127.0.0.1")
        assert.strictEqual(yield* addressOfSession(runtime, { TRUSTED_PROXIES: "127.0.0.0/8" }), "203.0.113.9")
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }
})
