import { Config, Schema, SchemaIssue } from "effect"
import * as Configuration from "../Configuration.ts"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** What is wrong with a variable, in a few words and without its value: it may be a secret that was put in the wrong place. */
export const explainConfigError = ({ cause }: Config.ConfigError): string => {
  if (!Schema.isSchemaError(cause)) return "The configuration cannot be read."
  const [issue] = issuesOf(cause.issue).issues
  const name = (issue?.path ?? []).map(String).join("_")
  const takes = Configuration.variables.find(({ variable }) => variable === name)?.takes
  return takes === undefined ? `${name}: ${issue?.message}.` : `${name} must be ${takes}.`
}

/** The failure of a whole program as one plain line, which says what to do: what `Cause.squash` gives, not the trace. */
export const failureLine = (error: unknown): string =>
  (error instanceof Config.ConfigError
    ? `${explainConfigError(error)} Correct it in the environment.`
    : error instanceof Error
      ? error.message
      : String(error)
  ).replaceAll(/\s*\n\s*/g, " ")
