import { Data, Effect, type Scope } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

const nameOf = (pid: number | undefined) => (pid === undefined ? "another process" : `pid ${pid}`)

/** Another process holds the folder. Its `pid` is unknown only while it is taking the folder. */
export class FolderInUse extends Data.TaggedError("FolderInUse")<{
  readonly folder: string
  readonly pid: number | undefined
}> {
  override get message() {
    return `${this.folder} is already in use by ${nameOf(this.pid)}: stop it, or choose another folder`
  }
}

/** The folder, or a file in it, cannot be created, read or written. The cause says which and why. */
export class FolderUnusable extends Data.TaggedError("FolderUnusable")<{
  readonly folder: string
  readonly cause: unknown
}> {
  override get message() {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `${this.folder} cannot be used: ${reason}. Choose a folder that this user may write`
  }
}

/**
 * Holds `folder`, which must exist, for this process until the scope closes.
 *
 * The lock is the kernel's (SQLite's file locks, the same on Node and Deno). It ends with the process, even by SIGKILL, so
 * there are no stale locks, and a reused pid cannot be mistaken for the holder. Nothing else may open `lock`: POSIX drops a
 * process's locks on a file when it closes any descriptor of the file.
 */
export const lockFolder = (folder: string): Effect.Effect<void, FolderInUse | FolderUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const lock = join(folder, "lock")
        const database = new DatabaseSync(lock, { timeout: 0 })
        try {
          database.exec("BEGIN IMMEDIATE")
          // The previous holder may have deleted the folder between our open and our lock.
          if (!existsSync(lock)) throw new Error("it was just deleted")
          writeFileSync(join(folder, "pid"), String(process.pid))
          return database
        } catch (error) {
          database.close()
          throw error
        }
      },
      catch: (cause) =>
        cause instanceof Error && cause.message.includes("database is locked")
          ? new FolderInUse({ folder, pid: holder(folder) })
          : new FolderUnusable({ folder, cause })
    }),
    (database) => Effect.sync(() => database.close())
  )

// For the message only, since the lock itself has no pid.
const holder = (folder: string) => {
  const file = join(folder, "pid")
  return existsSync(file) ? Number.parseInt(readFileSync(file, "utf8")) || undefined : undefined
}
