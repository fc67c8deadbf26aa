import { Data, Effect, Layer, Logger } from "effect"
import * as Database from "../database/Database.ts"
import { title } from "../database/MigrationFile.ts"
import * as Migrator from "../database/Migrator.ts"

/** What a command looks at was made by another version of XFChat, or is half made. */
export class SchemaNotCurrent extends Data.TaggedError("SchemaNotCurrent")<{ readonly reason: string }> {
  override get message() {
    return `The schema is not that of this XFChat: ${this.reason}. See \`xfchat migrate status\`; \`xfchat migrate up\` applies what is pending.`
  }
}

const requireCurrent = Effect.gen(function* () {
  const wrong = (yield* Migrator.status).find(({ state }) => state !== "applied")
  if (wrong !== undefined) return yield* new SchemaNotCurrent({ reason: `migration ${title(wrong)} is ${wrong.state}` })
})

/** The database of a command, as it is. What is logged goes to standard error: standard output is the command's own. */
export const layerAsItIs = Database.layerConnected.pipe(Layer.provideMerge(Layer.succeed(Logger.LogToStderr, true)))

/** The same, with the schema that this XFChat knows. */
export const layer = Layer.effectDiscard(requireCurrent).pipe(Layer.provideMerge(layerAsItIs))
