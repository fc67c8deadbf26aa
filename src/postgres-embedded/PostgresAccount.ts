import { Data, Effect } from "effect"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, statSync } from "node:fs"
import { chmod, lstat, mkdir } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { FolderUnusable } from "./FolderLock.ts"

/** PostgreSQL refuses to run as root, and there is no other account to run it. */
export class NoPostgresAccount extends Data.TaggedError("NoPostgresAccount")<{}> {
  override get message() {
    return "PostgreSQL refuses to run as root and there is no other account: add a user named postgres, or do not run as root"
  }
}

/** The user that PostgreSQL runs as; `undefined` is the user of this process. */
export type PostgresAccount = { readonly uid: number; readonly gid: number } | undefined

/**
 * Chooses the user that PostgreSQL runs as. Root chooses the owner of the files in `data` if there are any, then `postgres`
 * (added if missing), then `nobody`. The user needs a record, because initdb asks for its name.
 */
export const accountFor = (data?: string): Effect.Effect<PostgresAccount, NoPostgresAccount> =>
  Effect.suspend(() => {
    if (process.getuid?.() !== 0) return Effect.undefined
    const owner = data === undefined ? undefined : found(data)
    if (owner !== undefined && owner.uid !== 0) return Effect.succeed({ uid: owner.uid, gid: owner.gid })
    const account = userRecord("postgres") ?? userRecord("_postgres") ?? addPostgresUser() ?? userRecord("nobody")
    return account === undefined ? new NoPostgresAccount() : Effect.succeed(account)
  })

const found = (path: string) => (existsSync(path) ? statSync(path) : undefined)

const userRecord = (name: string): PostgresAccount => {
  const records = existsSync("/etc/passwd") ? readFileSync("/etc/passwd", "utf8").split("\n") : []
  const fields = records.map((record) => record.split(":")).find((fields) => fields[0] === name)
  const [uid, gid] = [Number(fields?.[2]), Number(fields?.[3])]
  return Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0 ? { uid, gid } : undefined
}

// With shadow (Debian, Fedora), then with busybox (Alpine). If both are missing, or /etc is read-only, no user is added.
const addPostgresUser = (): PostgresAccount => {
  spawnSync("useradd", ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "postgres"])
  if (userRecord("postgres") === undefined) spawnSync("adduser", ["-S", "-D", "-H", "postgres"])
  return userRecord("postgres")
}

/**
 * Whether `account` may pass through the folder `path` and all those above it, as far as they exist. Only mode bits
 * count: if an access list grants more, the shared root is used needlessly.
 */
export const canReach = (account: PostgresAccount, path: string): boolean => {
  if (account === undefined) return true
  const folder = found(path)
  const parent = dirname(path)
  const passes =
    folder?.isDirectory() !== true ||
    (folder.mode & (folder.uid === account.uid ? 0o100 : folder.gid === account.gid ? 0o010 : 0o001)) !== 0
  return passes && (parent === path || canReach(account, parent))
}

/**
 * The folder for files that the server must reach, if root's own folders are closed to it: `/var/lib/xfchat`, or
 * `/var/tmp/xfchat` if that is read-only. Other users can pass through it but cannot list it.
 */
export const sharedRoot: Effect.Effect<string, FolderUnusable> = Effect.firstSuccessOf(
  ["/var/lib/xfchat", "/var/tmp/xfchat"].map((folder) =>
    Effect.tryPromise({
      try: async () => {
        await mkdir(folder, { recursive: true, mode: 0o711 })
        // Anyone can make a folder, or a link, in /var/tmp before us.
        const found = await lstat(folder)
        if (!found.isDirectory() || found.uid !== 0) throw new Error("it is not a folder of root's")
        await chmod(folder, 0o711)
        return folder
      },
      catch: (cause) => new FolderUnusable({ folder, cause })
    })
  )
)

/** The path below the shared root that replaces `folder` (absolute): the same at each start. */
export const sharedPathFor = (folder: string) =>
  Effect.map(sharedRoot, (root) =>
    join(root, `${basename(folder)}-${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`)
  )
