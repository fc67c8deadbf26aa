import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileStorage, indexedDbStorage, memoryStorage, type Storage } from "../../src/client/index.ts"

beforeAll(async () => {
  const { IDBFactory, IDBKeyRange } = await vi.importActual<typeof globalThis>("fake-indexeddb")
  vi.stubGlobal("indexedDB", new IDBFactory())
  vi.stubGlobal("IDBKeyRange", IDBKeyRange)
})
afterAll(() => {
  vi.unstubAllGlobals()
})

const inFolder = async (test: (path: string) => Promise<void>) => {
  const folder = await mkdtemp(join(tmpdir(), "xfchat-"))
  try {
    await test(join(folder, "client"))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A test of one place for entries, which `open` opens as a new program would. */
type Test = (open: () => Storage) => Promise<void>

const kinds: Readonly<Record<string, (test: Test) => Promise<void>>> = {
  memoryStorage: (test) => {
    const storage = memoryStorage()
    return test(() => storage)
  },
  fileStorage: (test) => inFolder((path) => test(() => fileStorage(path))),
  indexedDbStorage: (test) => {
    const name = crypto.randomUUID()
    return test(() => indexedDbStorage(name))
  }
}

/** The entries as an object, because storages return them in different orders. */
const read = async (storage: Storage, prefix = "") => Object.fromEntries(await storage.read(prefix))

/** A value that no storage can keep. */
const unreadable = {
  get text(): string {
    throw new Error("unreadable")
  }
}

const cases: Readonly<Record<string, Test>> = {
  "returns the values that were written": async (open) => {
    const storage = open()
    assert.deepStrictEqual(await read(storage), {})
    const entries = { text: "é\n", number: 0, no: false, nothing: null, nested: { list: [1, { deep: "" }] } }
    await storage.write(Object.entries(entries))
    await storage.write([["number", 1]])
    assert.deepStrictEqual(await read(storage), { ...entries, number: 1 })
    await storage.close?.()
  },

  "reads the entries whose key begins with the prefix, and no others": async (open) => {
    const storage = open()
    const keys = ["a", "a/", "a/1", "a/é", "a/👍", "a0", "A/1", "b/a/1", "é"]
    await storage.write(keys.map((key) => [key, key]))
    const keysOf = async (prefix: string) => (await storage.read(prefix)).map(([key]) => key).sort()
    assert.deepStrictEqual(await keysOf("a/"), ["a/", "a/1", "a/é", "a/👍"])
    assert.deepStrictEqual(await keysOf("c"), [])
    assert.deepStrictEqual(await keysOf(""), keys.toSorted())
    await storage.close?.()
  },

  "removes an entry whose value is undefined": async (open) => {
    const storage = open()
    await storage.write(Object.entries({ one: 1, two: 2, three: 3 }))
    await storage.write([
      ["one", undefined],
      ["two", undefined],
      ["two", 22],
      ["none", undefined]
    ])
    assert.deepStrictEqual(await read(storage), { two: 22, three: 3 })
    await storage.close?.()
  },

  "makes all changes of a write or none": async (open) => {
    const storage = open()
    await storage.write(Object.entries({ one: 1, two: 2 }))
    const error: unknown = await storage
      .write([
        ["one", 11],
        ["two", undefined],
        ["three", unreadable]
      ])
      .catch((error: unknown) => error)
    assert.instanceOf(error, Error)
    assert.deepStrictEqual(await read(storage), { one: 1, two: 2 })
    await storage.write(Object.entries({ one: 11, three: 3 }))
    assert.deepStrictEqual(await read(storage), { one: 11, two: 2, three: 3 })
    await storage.close?.()
    const again = open()
    assert.deepStrictEqual(await read(again), { one: 11, two: 2, three: 3 })
    await again.close?.()
  },

  "writes in the order of the calls, and reads what earlier calls have written": async (open) => {
    const storage = open()
    const writes = Array.from({ length: 20 }, (_, index) =>
      storage.write([
        ["last", index],
        [`each/${index}`, index]
      ])
    )
    const [entries] = await Promise.all([read(storage), ...writes])
    assert.lengthOf(Object.keys(entries), 21)
    assert.strictEqual(entries["last"], 19)
    await storage.close?.()
  },

  "has every entry after it was closed": async (open) => {
    const first = open()
    await first.write(Object.entries({ one: 1, two: 2, three: 3 }))
    await first.write([["two", undefined]])
    await first.close?.()
    const second = open()
    assert.deepStrictEqual(await read(second), { one: 1, three: 3 })
    await second.close?.()
    // The same object opens again, too.
    assert.deepStrictEqual(await read(second), { one: 1, three: 3 })
    await second.close?.()
  }
}

for (const [kind, withStorage] of Object.entries(kinds)) {
  describe(`every storage: ${kind}`, () => {
    for (const [name, test] of Object.entries(cases)) it(`${name}`, () => withStorage(test))
  })
}

describe("fileStorage", () => {
  it("has nothing of a write that a crash has cut off at any byte", () =>
    inFolder(async (path) => {
      const storage = fileStorage(path)
      await storage.write(Object.entries({ one: 1, two: 2 }))
      const before = await readFile(path)
      await storage.write([
        ["one", "é"],
        ["two", undefined]
      ])
      await storage.close?.()
      const whole = await readFile(path)
      for (let length = before.length; length <= whole.length; length++) {
        await writeFile(path, whole.subarray(0, length))
        const again = fileStorage(path)
        const expected = length === whole.length ? { one: "é" } : { one: 1, two: 2 }
        assert.deepStrictEqual(await read(again), expected)
        await again.write([["three", 3]])
        await again.close?.()
        const last = fileStorage(path)
        assert.deepStrictEqual(await read(last), { ...expected, three: 3 })
        await last.close?.()
      }
    }))

  it("has everything after a crash has cut off its compaction", () =>
    inFolder(async (path) => {
      const storage = fileStorage(path)
      await storage.write([["one", 1]])
      await storage.close?.()
      await writeFile(`${path}.new`, `[["one",`)
      const again = fileStorage(path)
      assert.deepStrictEqual(await read(again), { one: 1 })
      await again.close?.()
    }))

  it("stays small, however often an entry changes", () =>
    inFolder(async (path) => {
      const storage = fileStorage(path)
      await Promise.all(Array.from({ length: 1_100 }, (_, index) => storage.write([["a", index]])))
      await storage.close?.()
      assert.isBelow((await readFile(path, "utf8")).split("\n").length, 200)
      const again = fileStorage(path)
      assert.deepStrictEqual(await read(again), { a: 1_099 })
      await again.close?.()
    }))
})

describe("indexedDbStorage", () => {
  it("lets others delete its database, and opens a new one at the next use", async () => {
    const name = crypto.randomUUID()
    const storage = indexedDbStorage(name)
    await storage.write([["one", 1]])
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name)
      request.addEventListener("success", () => resolve())
      request.addEventListener("blocked", () => reject(new Error("The database is still open.")))
    })
    assert.deepStrictEqual(await read(storage), {})
    await storage.write([["two", 2]])
    assert.deepStrictEqual(await read(storage), { two: 2 })
    await storage.close?.()
  })
})
