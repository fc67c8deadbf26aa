/** A value to keep under a key, or `undefined` to remove it. Values are JSON. */
export type Change = readonly [key: string, value: unknown]

/**
 * Keeps the outbox, and copies with their versions. A storage belongs to one account, so that each account needs a storage with
 * a name of its own. Both functions reject if the storage fails.
 */
export interface Storage {
  /** The name under which clients of one browser or process share the entries. Without a name, one client has them alone. */
  readonly name?: string
  /** Returns every entry whose key begins with `prefix`, in any order. */
  readonly read: (prefix: string) => Promise<ReadonlyArray<Change>>
  /** Makes all changes or none, in the order of the calls. Resolves once the changes survive a crash. */
  readonly write: (changes: ReadonlyArray<Change>) => Promise<void>
  /** Lets go of files and connections. A later call opens them again. */
  readonly close?: () => Promise<void>
}

/** Keeps entries as long as the program runs. */
export const memoryStorage = (): Storage => {
  const entries = new Map<string, string>()
  return {
    read: async (prefix) =>
      [...entries].flatMap(([key, json]) =>
        key.startsWith(prefix) ? [[key, JSON.parse(json) as unknown] as const] : []
      ),
    write: async (changes) => {
      // All values are encoded before the first is kept, because one that cannot be encoded throws.
      const encoded = changes.map(
        ([key, value]) => [key, value === undefined ? undefined : JSON.stringify(value)] as const
      )
      for (const [key, json] of encoded) {
        if (json === undefined) entries.delete(key)
        else entries.set(key, json)
      }
    }
  }
}

const settled = <A>(request: IDBRequest<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result))
    request.addEventListener("error", () => reject(request.error))
  })

/** Keeps entries in the browser, in the IndexedDB database of this name. */
export const indexedDbStorage = (name: string): Storage => {
  let opened: Promise<IDBDatabase> | undefined
  const open = () =>
    (opened ??= (async () => {
      const request = indexedDB.open(name, 1)
      request.addEventListener("upgradeneeded", () => request.result.createObjectStore("entries"))
      const database = await settled(request)
      // The browser or another page wants to change the database, and would wait for this connection.
      for (const event of ["versionchange", "close"]) {
        database.addEventListener(event, () => {
          database.close()
          opened = undefined
        })
      }
      return database
    })().catch((error: unknown) => {
      opened = undefined
      throw error
    }))
  return {
    name: `xfchat/${name}`,
    read: async (prefix) => {
      const store = (await open()).transaction("entries").objectStore("entries")
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`)
      const [keys, values] = await Promise.all([settled(store.getAllKeys(range)), settled(store.getAll(range))])
      return keys.map((key, index) => [String(key), values[index]] as const)
    },
    write: async (changes) => {
      const transaction = (await open()).transaction("entries", "readwrite", { durability: "strict" })
      const store = transaction.objectStore("entries")
      let failure: unknown
      const done = new Promise<void>((resolve, reject) => {
        transaction.addEventListener("complete", () => resolve())
        transaction.addEventListener("abort", () => reject(transaction.error ?? failure))
      })
      try {
        for (const [key, value] of changes) {
          if (value === undefined) store.delete(key)
          else store.put(value, key)
        }
      } catch (error) {
        // All changes or none.
        failure = error
        transaction.abort()
      }
      await done
    },
    close: async () => {
      const closing = opened
      opened = undefined
      ;(await closing)?.close()
    }
  }
}
