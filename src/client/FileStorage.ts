import { type Change, type Storage } from "./Storage.ts"

/** The file module of Node and Deno, without an import that would fail in a browser or a bundler. */
const files = () => {
  const builtin = globalThis.process?.getBuiltinModule
  if (builtin === undefined) throw new Error("A file needs Node 20.16 or Deno 2.1, or something newer.")
  return builtin("node:fs/promises")
}

/** The changes of a line, or `undefined` if something has damaged it. */
const changesOf = (line: string): ReadonlyArray<Change> | undefined => {
  try {
    const changes: unknown = JSON.parse(line)
    const isSound = Array.isArray(changes) && changes.every((change) => typeof change?.[0] === "string")
    return isSound ? (changes as ReadonlyArray<Change>) : undefined
  } catch {
    return undefined
  }
}

/** The file is compacted when it has more lines than entries by this number. */
const slack = 1_000

/**
 * Keeps entries in a file that only one process may use, on Node and Deno. The file is a journal with one line of JSON for each
 * write, forced to the disk. A line that a crash has cut off counts as no write. A call rejects if the file system fails. If a
 * line is damaged, the first call rejects and says so, and the calls after it have all other lines.
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

  const lineOf = (changes: ReadonlyArray<Change>) => {
    // JSON has no `undefined`: a removal is a key alone.
    const line = JSON.stringify(changes.map(([key, value]) => (value === undefined ? [key] : [key, value])))
    return `${line}\n`
  }

  /** Writes the entries to a new file, which then replaces the journal. */
  const compact = async () => {
    const { open, rename } = files()
    const old = handle
    // If the disk is full, the next call loads the journal, which has everything.
    handle = undefined
    await old?.close()
    const file = await open(`${path}.new`, "w")
    try {
      await file.appendFile(lineOf([...entries]))
      await file.datasync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
    handle = await open(path, "a")
    lines = 1
  }

  const load = async () => {
    const { copyFile, readFile } = files()
    const text = await readFile(path, "utf8").catch((error: { readonly code?: string }) => {
      if (error.code === "ENOENT") return ""
      throw error
    })
    entries.clear()
    const written = text.split("\n").slice(0, -1)
    const readable = written.flatMap((line) => changesOf(line) ?? [])
    apply(readable)
    lines = written.length
    const damaged = written.filter((line) => changesOf(line) === undefined).length
    if (damaged > 0) await copyFile(path, `${path}.damaged`)
    await compact()
    // The next call finds everything else.
    if (damaged > 0) throw new Error(`${damaged} writes in ${path} are lost. The old file is ${path}.damaged.`)
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
          await handle?.appendFile(lineOf(changes))
          await handle?.datasync()
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
