import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import * as Database from "../../src/database/Database.ts"
import * as Migrator from "../../src/database/Migrator.ts"
import { marksOf, parseQuery } from "../../src/search/SearchQuery.ts"
import { ServicesLive } from "../../src/Server.ts"
import { TestDatabase } from "../../src/testing/index.ts"
import { corpus } from "./corpus.ts"
import { findMessages, groupOf, people, post } from "../world.ts"

/** A migrated database with a locale of its own, as CREATE DATABASE takes it. */
const databaseWith = (locale: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const name = `xfchat_locale_${randomUUID().replaceAll("-", "")}`
      yield* Effect.acquireRelease(
        sql.unsafe(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' ${locale}`).unprepared,
        () => sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`).unprepared.pipe(Effect.ignore({ log: true }))
      )
      const url = new URL(Redacted.value((yield* TestDatabase).url))
      url.pathname = `/${name}`
      const database = Database.layerUnchecked({ url: Redacted.make(url.href) })
      yield* Effect.provide(Migrator.migrate, database)
      return database
    })
  ).pipe(Layer.provide(TestDatabase.layer))

/** Locales whose letters, cases or order differ from those of the other tests' database. */
const locales = {
  "C, which has ASCII letters only": "LOCALE_PROVIDER libc LOCALE 'C'",
  "C.UTF-8 of the system": "LOCALE_PROVIDER libc LOCALE 'C.UTF-8'",
  "Turkish of ICU, which has four letters i": "LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C'"
}

for (const [name, locale] of Object.entries(locales)) {
  layer(ServicesLive.pipe(Layer.provide(databaseWith(locale))))(`Where the locale is ${name}`, (it) => {
    it.effect("search finds the same texts as anywhere", () =>
      Effect.gen(function* () {
        const [ada, grace] = yield* people("ada", "grace")
        const id = yield* groupOf([ada, grace])
        for (const { text } of corpus) yield* post(ada, id, text)
        for (const { finds, text } of corpus) {
          for (const query of finds) {
            const { phrases } = parseQuery(query)
            const expected = corpus.map(({ text }) => text).filter((text) => marksOf(text, phrases) !== undefined)
            assert.include(expected, text, query)
            const found = (yield* findMessages(grace, query)).map(({ content }) => content)
            assert.deepStrictEqual(found, expected.toReversed(), query)
          }
        }
      })
    )
  })
}
