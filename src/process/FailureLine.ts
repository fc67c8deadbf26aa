import { Config, PlatformError, Predicate, Schema, SchemaIssue } from "effect"
import { variables } from "../platform/Configuration.ts"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** What is wrong with a variable, in a few words and without its value: it may be a secret that was put in the wrong place. */
export const explainConfigError = ({ cause }: Config.ConfigError): string => {
  if (!Schema.isSchemaError(cause)) return "The configuration cannot be read."
  const [issue] = issuesOf(cause.issue).issues
  const name = (issue?.path ?? []).map(String).join("_")
  const variable = variables.find((variable) => variable.name === name)
  return variable === undefined ? `${name}: ${issue?.message}.` : `${name} must be ${variable.expected}.`
}

/** A failure of the file system, and what to do about it. */
const fileProblems: Partial<Record<PlatformError.SystemErrorTag, string>> = {
  AlreadyExists: "is there already, and is not overwritten: choose another name, or remove it first",
  NotFound: "is not there: check the path, and that its folder exists",
  PermissionDenied: "may not be used by this user: check its permissions, or choose another file",
  BadResource: "is no file that can be read and written: choose another one",
  Busy: "is in use: try again when nothing else uses it",
  WriteZero: "cannot be written: is the disk full?"
}

const fileCodes: Readonly<Record<string, string>> = {
  EISDIR: "is a folder: name a file",
  ENOTDIR: "is below a file, not a folder: check the path",
  ENOSPC: "cannot be written, since the disk is full: make room, or choose another disk",
  EDQUOT: "cannot be written, since this user's quota is used up: make room, or choose another disk",
  EROFS: "is on a disk that is read-only: choose another one",
  ENAMETOOLONG: "has a name that is too long: choose a shorter one",
  EPIPE: "was closed before everything was written",
  EMFILE: "cannot be opened, since this process has too many open files: raise `ulimit -n`"
}

const explainPlatformError = ({ reason }: PlatformError.PlatformError): string => {
  if (reason._tag === "BadArgument") return reason.message
  const { cause, pathOrDescriptor } = reason
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  const problem =
    fileCodes[code] ?? fileProblems[reason._tag] ?? `cannot be used (${code || (reason.description ?? reason._tag)})`
  return `${typeof pathOrDescriptor === "string" ? pathOrDescriptor : "The input or output"} ${problem}.`
}

/** The failure of a whole program as one plain line, which says what to do: what `Cause.squash` gives, not the trace. */
export const failureLine = (error: unknown): string =>
  (error instanceof Config.ConfigError
    ? `${explainConfigError(error)} Correct it in the environment.`
    : error instanceof PlatformError.PlatformError
      ? explainPlatformError(error)
      : error instanceof Error
        ? error.message
        : String(error)
  ).replaceAll(/\s*\n\s*/g, " ")
