import { dirname, join, relative, sep } from "node:path"

/**
 * The floors of `src/`, from the ground up. A folder, or a file at the root, imports only from floors below its own, so
 * folders form no cycle. A type that a lower floor needs from a higher one belongs in `contract/`.
 */
export const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["braid", "client"],
  ["contract"],
  ["platform", "conformance"],
  ["postgres-embedded"],
  ["database"],
  ["changes", "http", "limits"],
  ["usage", "people"],
  ["auth", "live"],
  ["presence", "operations"],
  ["messages"],
  ["conversations", "search"],
  ["friends", "accounts"],
  ["inbox"],
  ["Server.ts"],
  ["process", "testing"],
  ["commands"],
  ["main.ts", "edge.ts", "cli.ts", "index.ts"]
]

const levels = new Map(floors.flatMap((rooms, level) => rooms.map((room) => [room, level] as const)))

const roomOf = (path: string) => path.split("/")[0] ?? path

/** Explains why the file `from` may not import `to`, both as paths below `src/`; `undefined` if it may. */
export const refuse = (from: string, to: string): string | undefined => {
  const [room, imported] = [roomOf(from), roomOf(to)]
  if (room === imported) return undefined
  const [level, importedLevel] = [levels.get(room), levels.get(imported)]
  if (level === undefined) return `\`${room}\` has no floor yet: add it to lint/floors.ts.`
  if (importedLevel === undefined) return `\`${imported}\` has no floor yet: add it to lint/floors.ts.`
  return importedLevel < level
    ? undefined
    : `\`${room}\` imports only from the floors below it, and \`${imported}\` is not below it: see lint/floors.ts.`
}

interface Import {
  readonly source: { readonly value?: unknown } | null
}

interface Context {
  readonly cwd: string
  readonly filename: string
  readonly report: (problem: { readonly node: object; readonly message: string }) => void
}

const create = (context: Context) => {
  const source = join(context.cwd, "src")
  const belowSource = (path: string) => relative(source, path).split(sep).join("/")
  const check = ({ source: specifier }: Import) => {
    if (typeof specifier?.value !== "string" || !specifier.value.startsWith(".")) return
    const from = belowSource(context.filename)
    const to = belowSource(join(dirname(context.filename), specifier.value))
    const message = from.startsWith("..") ? undefined : refuse(from, to)
    if (message !== undefined) context.report({ node: specifier, message })
  }
  return {
    ImportDeclaration: check,
    ImportExpression: check,
    ExportAllDeclaration: check,
    ExportNamedDeclaration: check
  }
}

/** A plugin of oxlint, with the one rule `floors/order`. */
export default { meta: { name: "floors" }, rules: { order: { create } } }
