import { Data, Effect, Layer, Logger, Schema } from "effect"
import { SqlError } from "effect/sql"
import * as Database from "../database/Database.ts"
import { sqlState } from "../database/DatabaseErrors.ts"
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

/** A statement of a command failed. PostgreSQL's DETAIL is left out: it quotes rows. */
export class StatementFailed extends Data.TaggedError("StatementFailed")<{ readonly error: SqlError.SqlError }> {
  override get message() {
    const { cause } = this.error.reason
    const code = sqlState(cause)
    return cause instanceof Error && code !== undefined && /^[0-9A-Z]{5}$/.test(code)
      ? `PostgreSQL says "${cause.message}" (SQLSTATE ${code}).`
      : "The connection to PostgreSQL was lost: try again."
  }
}

type DatabaseError = SqlError.SqlError | Schema.SchemaError

const isOther = <E>(error: E): error is Exclude<E, DatabaseError> =>
  !SqlError.isSqlError(error) && !Schema.isSchemaError(error)

/** Says in plain words what a command's own statements fail with. A row that is not as expected is a mistake of ours. */
export const explainErrors = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, DatabaseError> | StatementFailed, R> =>
  Effect.catch(self, (error): Effect.Effect<never, Exclude<E, DatabaseError> | StatementFailed> => {
    if (isOther(error)) return Effect.fail(error)
    return SqlError.isSqlError(error) ? Effect.fail(new StatementFailed({ error })) : Effect.die(error)
  })

/** A server that is told to stop ends well; what was to be done by such a command is not done: exit code 130. */
export const failsWhenStopped = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onInterrupt(self, () => Effect.sync(() => void (process.exitCode = 130)))
