import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import * as Database from "../../src/database/Database.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { twoPeople } from "../../src/conformance/Client.ts"
import { startProcess, startServer } from "../serverProcess.ts"

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Runs a file of `examples/` statement by statement, under other names. */
const run = (file: string, name: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const text = yield* Effect.promise(() => readFile(`${root}examples/${file}`, "utf8"))
    for (const statement of text.replaceAll("xfchat", name).split(";\n").filter(Boolean)) {
      yield* sql.unsafe(statement).unprepared
    }
  })

describe("a database set up by the documented steps", () => {
  it.live("is migrated by its owner, and served by a role that may only read and write rows", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const name = `xfchat_${randomUUID().slice(0, 8)}`
      const as = (username: string | undefined) => {
        const url = new URL(Redacted.value(administrator))
        url.pathname = `/${name}`
        if (username !== undefined) {
          url.username = username
          url.password = "PASSWORD"
        }
        return Redacted.make(url.href)
      }
      const administrator = (yield* TestDatabase).url
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          yield* sql.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).unprepared
          yield* sql.unsafe(`DROP ROLE IF EXISTS ${name}, ${name}_server`).unprepared
        }).pipe(Effect.orDie)
      )
      yield* run("setup.sql", name)
      yield* run("two-roles.sql", name).pipe(Effect.provide(Database.layerUnchecked({ url: as(undefined) })))

      const migrate = yield* startProcess([`${root}node_modules/.bin/node`, "src/cli.ts", "migrate", "up"], {
        DATABASE_URL: Redacted.value(as(name))
      })
      assert.strictEqual(yield* migrate.exit, 0, migrate.output())

      const { baseUrl } = yield* startServer("node", as(`${name}_server`))
      const stored = yield* Effect.promise(async () => {
        const { conversation, grace } = await twoPeople({ url: baseUrl })
        return grace.send(conversation, "stored")
      })
      assert.strictEqual(stored.seq, 1)
      assert.strictEqual((yield* Effect.promise(() => fetch(`${baseUrl}/readyz`))).status, 200)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
  )
})
