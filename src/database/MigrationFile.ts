import { Data, Effect } from "effect"
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** One step of the schema, forward and back. */
export interface Migration {
  /** The time when it was written, as 14 digits. Migrations run in the order of their ids. */
  readonly id: bigint
  readonly name: string
  /** SQL: any number of statements. */
  readonly up: string
  /** SQL that reverts `up`. */
  readonly down: string
  /** SHA-256 of `up` in hexadecimal. Line ends count as LF, so that a checkout on Windows changes nothing. */
  readonly checksum: string
}

/** The folder of migrations is not as it should be. Nothing was run. */
export class MigrationFilesInvalid extends Data.TaggedError("MigrationFilesInvalid")<{ readonly reason: string }> {
  override get message() {
    return `The migration files are not valid: ${this.reason}.`
  }
}

/** The file name without its direction: the name of a migration in messages and in `set_aside`. */
export const title = ({ id, name }: Pick<Migration, "id" | "name">): string => `${id}_${name}`

const fileName = /^(\d{14})_([a-z0-9_]+)\.(up|down)\.sql$/

const read = <A>(what: string, evaluate: () => Promise<A>) =>
  Effect.tryPromise({
    try: evaluate,
    catch: (cause) =>
      new MigrationFilesInvalid({
        reason: `${what} cannot be read (${cause instanceof Error && "code" in cause ? cause.code : "unknown error"})`
      })
  })

/**
 * The migrations in a folder, in order. Every `.sql` file must have a name like `<14 digits>_<name>.up.sql` or `….down.sql`,
 * every id must have one name, and every migration must have both files. Other files are ignored.
 */
export const load = Effect.fn("MigrationFile.load")(function* (folder: string | URL) {
  const path = typeof folder === "string" ? folder : fileURLToPath(folder)
  const files = (yield* read(`the folder ${path}`, () => readdir(path))).filter((file) => file.endsWith(".sql")).sort()
  const names = new Map<bigint, string>()
  for (const file of files) {
    const [, digits, name] = fileName.exec(file) ?? []
    if (digits === undefined || name === undefined) {
      return yield* new MigrationFilesInvalid({
        reason: `${file} does not have a name like <14 digits>_<name>.up.sql or <14 digits>_<name>.down.sql`
      })
    }
    const id = BigInt(digits)
    const known = names.get(id)
    if (known !== undefined && known !== name) {
      return yield* new MigrationFilesInvalid({ reason: `${known} and ${name} have the same id ${id}` })
    }
    names.set(id, name)
  }
  if (names.size === 0) return yield* new MigrationFilesInvalid({ reason: `there are none in ${path}` })

  return yield* Effect.forEach(names, ([id, name]) =>
    Effect.gen(function* () {
      const missing = (["up", "down"] as const).find((way) => !files.includes(`${title({ id, name })}.${way}.sql`))
      if (missing !== undefined) {
        return yield* new MigrationFilesInvalid({ reason: `${title({ id, name })}.${missing}.sql is missing` })
      }
      const [up, down] = yield* Effect.all([
        text(path, `${title({ id, name })}.up.sql`),
        text(path, `${title({ id, name })}.down.sql`)
      ])
      return { id, name, up, down, checksum: createHash("sha256").update(up).digest("hex") } satisfies Migration
    })
  )
})

const text = (path: string, file: string) =>
  Effect.map(
    read(file, () => readFile(join(path, file), "utf8")),
    (content) => content.replaceAll("\r\n", "\n")
  )
