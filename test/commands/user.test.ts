import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, Person, type SignedIn } from "../../src/conformance/Client.ts"
import { startServer } from "../serverProcess.ts"
import { xfchat } from "./command.ts"

/** A server on the test's database, and a function that signs in there. */
const server = Effect.gen(function* () {
  const { url } = yield* TestDatabase
  const { baseUrl } = yield* startServer("node", url)
  return {
    url: baseUrl,
    login: (login: string, password: string) =>
      Effect.promise(() => new Client({ url: baseUrl }).post<SignedIn>("/api/auth/login", { login, password })),
    me: (token: string) => Effect.promise(() => new Client({ url: baseUrl }, token).get("/api/auth/me"))
  }
})

const printed = (output: string) => /^Password: (\S+)$/m.exec(output)?.[1] ?? ""

describe("xfchat user", () => {
  it.live("create prints a generated password once; reset-password ends all sessions", () =>
    Effect.gen(function* () {
      const { login, me } = yield* server
      const created = yield* xfchat(["user", "create", "Ada", "ada@example.com"])
      assert.strictEqual(created.exit, 0, created.errorOutput)
      const first = yield* login("ada", printed(created.output))
      assert.strictEqual(first.status, 200)

      const reset = yield* xfchat(["user", "reset-password", "ada"])
      assert.strictEqual(reset.exit, 0, reset.errorOutput)
      assert.strictEqual((yield* me(first.body.token)).status, 401)
      assert.strictEqual((yield* login("ada", printed(created.output))).status, 401)
      assert.strictEqual((yield* login("ada", printed(reset.output))).status, 200)
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("takes a password from standard input, does not print it, and refuses one that is too short, on Deno", () =>
    Effect.gen(function* () {
      const { login } = yield* server
      const given = { runtime: "deno", input: "correct horse canary\n" } as const
      const { errorOutput, exit, output } = yield* xfchat(
        ["user", "create", "grace", "grace@example.com", "--password-stdin"],
        given
      )
      assert.strictEqual(exit, 0, errorOutput)
      assert.notInclude(output + errorOutput, "canary")
      assert.strictEqual((yield* login("grace@example.com", "correct horse canary")).status, 200)

      const short = yield* xfchat(["user", "reset-password", "grace", "--password-stdin"], { ...given, input: "can" })
      assert.strictEqual(short.exit, 1)
      assert.match(short.errorOutput, /^The password on standard input is not valid: .* Nothing was done\.\n$/)
      assert.strictEqual((yield* login("grace", "correct horse canary")).status, 200)
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live("disable ends all sessions, and signing in fails as with a wrong password until enable", () =>
    Effect.gen(function* () {
      const { login, me, url } = yield* server
      const created = yield* xfchat(["user", "create", "ada", "ada@example.com"])
      const password = printed(created.output)
      const { body } = yield* login("ada", password)
      const other = yield* Effect.promise(() => Person.signUp({ url }))

      assert.strictEqual((yield* xfchat(["user", "disable", "ADA"])).exit, 0)
      assert.strictEqual((yield* me(body.token)).status, 401)
      const wrong = yield* login("ada", "a wrong password")
      for (const name of ["ada", "ada@example.com"]) {
        const refused = yield* login(name, password)
        assert.deepStrictEqual([refused.status, refused.text], [401, wrong.text])
      }
      assert.strictEqual((yield* me(`${other.token}`)).status, 200)
      const listed = yield* xfchat(["user", "list"])
      assert.match(listed.output, /^ada +disabled +\S+Z +ada@example\.com$/m)
      assert.match(listed.output, new RegExp(`^${other.user.username} +active `, "m"))

      assert.strictEqual((yield* xfchat(["user", "enable", "ada"])).exit, 0)
      assert.strictEqual((yield* me(body.token)).status, 401)
      assert.strictEqual((yield* login("ada", password)).status, 200)
    }).pipe(Effect.provide(TestDatabase.layer))
  )

  it.live(
    "says what is wrong, and does nothing: a name that is taken, an account that is not there, no name at all",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`INSERT INTO users (username, email, password_hash) VALUES ('ada', 'ada@example.com', '')`
        const taken = yield* xfchat(["user", "create", "ADA", "other@example.com"])
        assert.strictEqual(taken.exit, 1)
        assert.match(taken.errorOutput, /^The username "ADA" belongs to another account .*\n$/)
        const nobody = yield* xfchat(["user", "disable", "nobody"])
        assert.strictEqual(nobody.exit, 1)
        assert.match(nobody.errorOutput, /^There is no account "nobody": .*\n$/)
        const malformed = yield* xfchat(["user", "create", "a b", "other@example.com"])
        assert.strictEqual(malformed.exit, 2)
        assert.match(malformed.errorOutput, /must be 3 to 30 letters, digits or underscores/)
        assert.strictEqual((yield* sql`SELECT FROM users`).length, 1)
      }).pipe(Effect.provide(TestDatabase.layer))
  )
})
