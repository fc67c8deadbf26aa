import { Config, Schema, SchemaIssue } from "effect"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const ofConfiguration = ({ cause }: Config.ConfigError): string =>
  Schema.isSchemaError(cause)
    ? issuesOf(cause.issue)
        .issues.map(({ message, path = [] }) => `${path.map(String).join("_")}: ${message}.`)
        .join(" ") + " Correct it in the environment."
    : `The configuration cannot be read: ${cause.message}`

/** The failure of a whole program as one plain line, which says what to do: what `Cause.squash` gives, not the trace. */
export const failureLine = (error: unknown): string =>
  (error instanceof Config.ConfigError
    ? ofConfiguration(error)
    : error instanceof Error
      ? error.message
      : String(error)
  ).replaceAll(/\s*\n\s*/g, " ")
