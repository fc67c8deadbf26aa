import { Data, Effect, Layer, Logger, Schema } from "effect"
import { SqlError } from "effect/sql"
import * as Database from "../database/Database.ts"
import { sqlState } from "../database/DatabaseErrors.ts"
import { title } from "../database/MigrationFile.ts"
import * as Migrator from "../database/Migrator.ts"

/** The database has the schema of another version of XFChat, or pending migrations. */
export class SchemaNotCurrent extends Data.TaggedError("SchemaNotCurrent")<{ readonly reason: string }> {
  override get message() {
    return `The schema is not that of this XFChat: ${this.reason}. See \`xfchat migrate status\`; \`xfchat migrate up\` applies what is pending.`
  }
}

const requireCurrent = Effect.gen(function* () {
  const wrong = (yield* Migrator.status).find(({ state }) => state !== "applied")
  if (wrong !== undefined) return yield* new SchemaNotCurrent({ reason: `migration ${title(wrong)} is ${wrong.state}` })
})

/** A command's database, whatever its schema. Log lines go to standard error, since standard output is the command's. */
export const layerUnchecked = Database.layerConnected.pipe(Layer.provideMerge(Layer.succeed(Logger.LogToStderr, true)))

/** A command's database, with the schema of this XFChat. */
export const layer = Layer.effectDiscard(requireCurrent).pipe(Layer.provideMerge(layerUnchecked))

/** PostgreSQL's reason to refuse a statement; `undefined` if it gave none. Its DETAIL is left out, since it quotes rows. */
export const refusalOf = ({ reason: { cause } }: SqlError.SqlError) => {
  const code = sqlState(cause)
  return cause instanceof Error && code !== undefined && /^[0-9A-Z]{5}$/.test(code)
    ? { code, text: cause.message }
    : undefined
}

/** A statement of a command failed. */
export class StatementFailed extends Data.TaggedError("StatementFailed")<{ readonly error: SqlError.SqlError }> {
  override get message() {
    const refusal = refusalOf(this.error)
    return refusal !== undefined
      ? `PostgreSQL says "${refusal.text}" (SQLSTATE ${refusal.code}).`
      : "The connection to PostgreSQL was lost: try again."
  }
}

type DatabaseError = SqlError.SqlError | Schema.SchemaError

const isOther = <E>(error: E): error is Exclude<E, DatabaseError> =>
  !SqlError.isSqlError(error) && !Schema.isSchemaError(error)

/** Turns failures of a command's own statements into {@link StatementFailed}. An undecodable row is a defect. */
export const explainErrors = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, DatabaseError> | StatementFailed, R> =>
  Effect.catch(self, (error): Effect.Effect<never, Exclude<E, DatabaseError> | StatementFailed> => {
    if (isOther(error)) return Effect.fail(error)
    return SqlError.isSqlError(error) ? Effect.fail(new StatementFailed({ error })) : Effect.die(error)
  })

/** Exits with 130 when interrupted: unlike a server, a command that is stopped has not done its work. */
export const failsWhenStopped = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onInterrupt(self, () => Effect.sync(() => void (process.exitCode = 130)))
