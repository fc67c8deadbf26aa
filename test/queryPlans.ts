import { Effect, Schema } from "effect"
import { SqlClient, Statement } from "effect/sql"

interface Node {
  readonly "Node Type": string
  readonly "Index Name"?: string
  readonly "Relation Name"?: string
  readonly Plans?: ReadonlyArray<Node>
}
const Node = Schema.Struct({
  "Node Type": Schema.String,
  "Index Name": Schema.optionalKey(Schema.String),
  "Relation Name": Schema.optionalKey(Schema.String),
  Plans: Schema.optionalKey(Schema.Array(Schema.suspend((): Schema.Codec<Node> => Node)))
})
const Explained = Schema.Tuple([Schema.Struct({ "QUERY PLAN": Schema.Tuple([Schema.Struct({ Plan: Node })]) })])

const nodes = (node: Node): ReadonlyArray<Node> => [node, ...(node.Plans ?? []).flatMap(nodes)]

/**
 * The plans of all statements that an effect executes in its own fiber, when it executes them: the indexes that they use,
 * and the tables that they read whole. `generic` plans are those that PostgreSQL makes, after some executions of a
 * statement, for any parameters.
 */
export const plansOf = Effect.fnUntraced(function* <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  kind: "custom" | "generic" = "custom"
) {
  const sql = yield* SqlClient.SqlClient
  const statements: Array<ReturnType<Statement.Statement<unknown>["compile"]>> = []
  yield* Effect.provideService(effect, Statement.CurrentTransformer, (statement) =>
    Effect.sync(() => {
      statements.push(statement.compile())
      return statement
    })
  )
  const explain = ([text, parameters]: (typeof statements)[number]) =>
    kind === "custom"
      ? sql.unsafe(`EXPLAIN (FORMAT JSON) ${text}`, parameters)
      : Effect.gen(function* () {
          yield* sql`SET LOCAL plan_cache_mode = force_generic_plan`.unprepared
          yield* sql.unsafe(`PREPARE explained AS ${text}`).unprepared
          const values = parameters.map(() => "NULL").join()
          const plan = yield* sql.unsafe(
            `EXPLAIN (FORMAT JSON) EXECUTE explained ${values === "" ? "" : `(${values})`}`
          ).unprepared
          yield* sql`DEALLOCATE explained`.unprepared
          return plan
        }).pipe(sql.withTransaction)
  const plans = yield* Effect.forEach(statements, (statement) =>
    explain(statement).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Explained)),
      Effect.map(
        ([
          {
            "QUERY PLAN": [{ Plan }]
          }
        ]) => nodes(Plan)
      )
    )
  )
  const all = plans.flat()
  // Of tables with hardly a row.
  const small = new Set(["database_incarnation", "visibility_rewrites"])
  const isRead = (node: Node) => node["Node Type"] === "Seq Scan" && !small.has(String(node["Relation Name"]))
  return {
    /** Of each statement, in order. */
    statements: plans.map((plan) => plan.flatMap((node) => node["Index Name"] ?? [])),
    indexes: new Set(all.flatMap((node) => node["Index Name"] ?? [])),
    readWhole: all.flatMap((node) => (isRead(node) ? [node["Relation Name"]] : []))
  }
})
