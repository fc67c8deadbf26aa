import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { TestDatabase } from "../../src/testing/index.ts"
import { runtimes, startProcess, startServer, type Runtime } from "../serverProcess.ts"
import { makeCertificate } from "./certificate.ts"
import { proxy } from "./tcp.ts"

const on: ReadonlyArray<Runtime> = ["node", "deno"]

/** A file with that content, until the scope ends. */
const file = (content: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const path = `${tmpdir()}/xfchat-${randomUUID()}.pem`
      await writeFile(path, content)
      return path
    }),
    (path) => Effect.promise(() => rm(path))
  )

/** A PostgreSQL with a certificate for `localhost`, of an authority that only the file knows. */
const secured = Effect.gen(function* () {
  const { authority, certificate, key } = makeCertificate("localhost")
  const { url } = yield* proxy((yield* TestDatabase).url, { certificate, key })
  const at = (host: string, sslmode: string) => {
    const changed = new URL(Redacted.value(url))
    changed.hostname = host
    changed.searchParams.set("sslmode", sslmode)
    return Redacted.make(changed.href)
  }
  return { at, ca: { DATABASE_CA_FILE: yield* file(authority) } }
})

const refusal = (runtime: Runtime, url: Redacted.Redacted, environment: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const server = yield* startProcess(runtimes[runtime]("0"), {
      DATABASE_URL: Redacted.value(url),
      SERVER_HOST: "127.0.0.1",
      SERVER_PORT: "0",
      ...environment
    })
    assert.strictEqual(yield* server.exit, 1, server.output())
    return server.errorOutput().trimEnd().split("\n").at(-1) ?? ""
  })

describe("TLS to the database", () => {
  for (const runtime of on) {
    it.live(`is used with any server if sslmode is require, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { at } = yield* secured
        yield* startServer(runtime, at("127.0.0.1", "require"))
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live(`accepts a server that a trusted authority has certified, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { at, ca } = yield* secured
        yield* startServer(runtime, at("localhost", "verify-full"), ca)
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live(`refuses a server that no trusted authority has certified, and says so at once, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { at } = yield* secured
        assert.match(
          yield* refusal(runtime, at("localhost", "verify-full"), { DATABASE_STARTUP_TIMEOUT: "10 minutes" }),
          /^PostgreSQL at localhost:\d+ has a certificate that cannot be trusted \(.+\): set DATABASE_CA_FILE to /
        )
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )

    it.live(`refuses a server that is certified for another host, on ${runtime}`, () =>
      Effect.gen(function* () {
        const { at, ca } = yield* secured
        assert.match(
          yield* refusal(runtime, at("127.0.0.1", "verify-full"), ca),
          /^PostgreSQL at 127\.0\.0\.1:\d+ has a certificate that cannot be trusted \(.+\): set DATABASE_CA_FILE to /
        )
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }

  it.live("accepts a server that is certified for another host if sslmode is `verify-ca`", () =>
    Effect.gen(function* () {
      const { at, ca } = yield* secured
      yield* startServer("node", at("127.0.0.1", "verify-ca"), ca)
      yield* startServer("node", at("127.0.0.1", "require"), ca)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("verifies the authority with `require` too, if one is set", () =>
    Effect.gen(function* () {
      const { at } = yield* secured
      const other = yield* file(makeCertificate("localhost").authority)
      assert.match(
        yield* refusal("node", at("localhost", "require"), { DATABASE_CA_FILE: other }),
        /^PostgreSQL at localhost:\d+ has a certificate that cannot be trusted /
      )
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )

  it.live("fails at start-up if the file of certificates has none", () =>
    Effect.gen(function* () {
      const { at } = yield* secured
      const notes = yield* file("buy milk")
      assert.match(
        yield* refusal("node", at("localhost", "verify-full"), { DATABASE_CA_FILE: notes }),
        /^The certificates of DATABASE_CA_FILE, \S+, cannot be used \(it contains no certificate\): it must be /
      )
      assert.match(
        yield* refusal("node", at("localhost", "verify-full"), { DATABASE_CA_FILE: "/nowhere.pem" }),
        /^The certificates of DATABASE_CA_FILE, \/nowhere\.pem, cannot be used \(ENOENT\): it must be /
      )
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
