import { Effect, Schema, type Scope } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

/** Another living process holds the folder. `pid` is unknown only in the instant in which that process takes it. */
export class FolderInUse extends Schema.TaggedError<FolderInUse>()("FolderInUse", {
  folder: Schema.String,
  pid: Schema.optional(Schema.Int)
}) {
  override get message() {
    return `${this.folder} is already in use by ${this.pid === undefined ? "another process" : `pid ${this.pid}`}: stop it, or choose another folder`
  }
}

/** The folder, or a file in it, cannot be made, read or written; the cause says which and why. */
export class FolderUnusable extends Schema.TaggedError<FolderUnusable>()("FolderUnusable", {
  folder: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `${this.folder} cannot be used: ${reason}. Choose a folder that this user may write`
  }
}

/**
 * Holds `folder`, which must exist, for this process until the scope closes.
 *
 * The lock is the kernel's (SQLite's file locks, the same on Node and Deno): it ends with the process, also by SIGKILL, so
 * a lock left behind cannot exist and a reused pid cannot be mistaken for the holder. Never read `lock` by other means:
 * POSIX drops a process's file locks when it closes any descriptor of the file.
 */
export const lockFolder = (folder: string): Effect.Effect<void, FolderInUse | FolderUnusable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const lock = join(folder, "lock")
        const database = new DatabaseSync(lock, { timeout: 0 })
        try {
          database.exec("BEGIN IMMEDIATE")
          // Who held the lock before us may have deleted the folder between our open and our lock.
          if (!existsSync(lock)) throw new Error("it was deleted just now")
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

// Only for the message: the lock itself knows no pid.
const holder = (folder: string) => {
  const file = join(folder, "pid")
  return existsSync(file) ? Number.parseInt(readFileSync(file, "utf8")) || undefined : undefined
}
