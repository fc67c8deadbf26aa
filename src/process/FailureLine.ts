import { Config, PlatformError, Predicate, Schema, SchemaIssue } from "effect"
import { variables } from "../platform/Configuration.ts"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** The fault of a variable, without its value, which may be a secret in the wrong place. */
export const explainConfigError = ({ cause }: Config.ConfigError): string => {
  if (!Schema.isSchemaError(cause)) return "The configuration cannot be read."
  const [issue] = issuesOf(cause.issue).issues
  const name = (issue?.path ?? []).map(String).join("_")
  const variable = variables.find((variable) => variable.name === name)
  return variable === undefined ? `${name}: ${issue?.message}.` : `${name} must be ${variable.expected}.`
}

/** The meaning of file system failures, and what to do about them. */
const fileProblems: Partial<Record<PlatformError.SystemErrorTag, string>> = {
  AlreadyExists: "exists already and is not overwritten: choose another name, or remove it first",
  NotFound: "does not exist: check the path and its folder",
  PermissionDenied: "is not accessible to this user: check its permissions, or choose another file",
  BadResource: "is not a file that can be read and written: choose another one",
  Busy: "is in use: try again when it is free",
  WriteZero: "cannot be written: is the disk full?"
}

const fileCodes: Readonly<Record<string, string>> = {
  EISDIR: "is a folder: name a file",
  ENOTDIR: "is inside something that is not a folder: check the path",
  ENOSPC: "cannot be written because the disk is full: free some space, or choose another disk",
  EDQUOT: "cannot be written because this user's disk quota is used up: free some space, or choose another disk",
  EROFS: "is on a read-only disk: choose another one",
  ENAMETOOLONG: "has a name that is too long: choose a shorter one",
  EPIPE: "was closed before everything was written",
  EMFILE: "cannot be opened because this process has too many open files: raise `ulimit -n`"
}

const explainPlatformError = ({ reason }: PlatformError.PlatformError): string => {
  if (reason._tag === "BadArgument") return reason.message
  const { cause, pathOrDescriptor } = reason
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  const problem =
    fileCodes[code] ?? fileProblems[reason._tag] ?? `cannot be used (${code || (reason.description ?? reason._tag)})`
  return `${typeof pathOrDescriptor === "string" ? pathOrDescriptor : "The input or output"} ${problem}.`
}

/** One plain line for the failure of a program (the error of `Cause.squash`): what is wrong, and what to do. */
export const failureLine = (error: unknown): string =>
  (error instanceof Config.ConfigError
    ? `${explainConfigError(error)} Correct it in the environment.`
    : error instanceof PlatformError.PlatformError
      ? explainPlatformError(error)
      : error instanceof Error
        ? error.message
        : String(error)
  ).replaceAll(/\s*\n\s*/g, " ")
