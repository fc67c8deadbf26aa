import { type Change, type Storage } from "./Storage.ts"

/** The file module of Node and Deno, without an import that would fail in a browser or a bundler. */
const files = () => {
  const builtin = globalThis.process?.getBuiltinModule
  if (builtin === undefined) throw new Error("A file needs Node 20.16 or Deno 2.1, or something newer.")
  return builtin("node:fs/promises")
}

/** The file is compacted when it has more lines than entries by this number. */
const slack = 1_000

/**
 * Keeps entries in a file that only one process may use, on Node and Deno. The file is a journal with one line of JSON for each
 * write, forced to the disk. A line that a crash has cut off counts as no write. A call rejects if the file system fails.
 */
export const fileStorage = (path: string): Storage => {
  const entries = new Map<string, unknown>()
  let lines = 0
  let handle: Awaited<ReturnType<ReturnType<typeof files>["open"]>> | undefined

  const apply = (changes: ReadonlyArray<Change>) => {
    for (const [key, value] of changes) {
      if (value === undefined) entries.delete(key)
      else entries.set(key, value)
    }
    lines += 1
  }

  const append = async (changes: ReadonlyArray<Change>) => {
    // JSON has no `undefined`: a removal is a key alone.
    const line = JSON.stringify(changes.map(([key, value]) => (value === undefined ? [key] : [key, value])))
    await handle?.appendFile(`${line}\n`)
    await handle?.datasync()
  }

  /** Writes the entries to a new file, which then replaces the journal. */
  const compact = async () => {
    const { open, rename } = files()
    await handle?.close()
    handle = await open(`${path}.new`, "w")
    await append([...entries])
    await handle.close()
    await rename(`${path}.new`, path)
    handle = await open(path, "a")
    lines = 1
  }

  const load = async () => {
    const { readFile } = files()
    const text = await readFile(path, "utf8").catch((error: { readonly code?: string }) => {
      if (error.code === "ENOENT") return ""
      throw error
    })
    entries.clear()
    for (const line of text.split("\n").slice(0, -1)) apply(JSON.parse(line) as ReadonlyArray<Change>)
    await compact()
  }

  // Calls run one after the other, and a failed call does not stop the next.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <A>(work: () => A | Promise<A>): Promise<A> => {
    const turn = last.then(work, work)
    last = turn
    return turn
  }
  const opened = async () => handle ?? (await load())

  return {
    read: (prefix) =>
      inTurn(async () => {
        await opened()
        return [...entries].filter(([key]) => key.startsWith(prefix)).map((entry) => structuredClone(entry))
      }),
    write: (changes) =>
      inTurn(async () => {
        await opened()
        try {
          await append(changes)
        } catch (error) {
          // The next line must not continue half a line, so that the next call compacts first.
          await handle?.close()
          handle = undefined
          throw error
        }
        apply(changes)
        if (lines > entries.size + slack) await compact()
      }),
    close: () =>
      inTurn(async () => {
        await handle?.close()
        handle = undefined
      })
  }
}
