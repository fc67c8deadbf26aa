import { ConnectionError, ProblemError } from "./Errors.ts"
import type { Http } from "./Http.ts"
import { type Operation, type Operations, type Route, routes } from "./operations.ts"

export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

type Arguments<Input> = {} extends Input
  ? [input?: Input, options?: CallOptions]
  : [input: Input, options?: CallOptions]

/**
 * Calls one endpoint, once. One object holds its `body` and its parameters, whether they belong to the path, the query or the
 * headers. Rejects with a {@link ProblemError}, a {@link ConnectionError}, or the reason of an aborted `signal`.
 */
export interface Endpoint<Input, Answer, Problem> {
  (...args: Arguments<Input>): Promise<Answer>
  /** A type for {@link problemOf}. The member itself never exists. */
  readonly problem?: Problem
}

type EndpointOf<O> =
  O extends Operation<infer Input, infer Answer, infer Problem> ? Endpoint<Input, Answer, Problem> : never

/** Every endpoint of the server, by the names of its OpenAPI document: `api.messages.send({ id, messageId, body })`. */
export type Api = {
  readonly [Group in keyof Operations]: {
    readonly [Name in keyof Operations[Group]]: EndpointOf<Operations[Group][Name]>
  }
}

/**
 * Returns the problem with which an endpoint has refused a call, for a `switch` over its `type`, or `undefined` if `error` is
 * no `ProblemError`. A newer server may have types that the `switch` does not know.
 *
 * ```ts
 * const problem = problemOf(api.messages.edit, error)
 * if (problem?.type === "StaleVersion") …
 * ```
 */
export const problemOf = <Problem>(_: Endpoint<never, unknown, Problem>, error: unknown): Problem | undefined =>
  error instanceof ProblemError ? (error.problem as Problem) : undefined

type Input = Readonly<Record<string, unknown>>

/** Fills a route's path with values of the input. Values that belong to neither path nor headers become the query. */
export const pathOf = ({ headers = [], path }: Route, input: Input = {}): string => {
  const { body: _, ...values } = input
  const query = new URLSearchParams()
  const inPath = new Set<string>()
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    inPath.add(name)
    return encodeURIComponent(String(values[name]))
  })
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && !inPath.has(name) && !headers.includes(name)) query.append(name, String(value))
  }
  return query.size === 0 ? filled : `${filled}?${query}`
}

const call = async (
  http: Pick<Http, "request">,
  route: Route,
  input: Input = {},
  { signal }: CallOptions = {}
): Promise<unknown> => {
  const headers = Object.fromEntries(
    (route.headers ?? []).flatMap((name) => (input[name] === undefined ? [] : [[name, String(input[name])]]))
  )
  const { hasLines, isPublic, method } = route
  const body = input["body"]
  const response = await http.request({
    method,
    path: pathOf(route, input),
    headers,
    ...(hasLines === true && Array.isArray(body) ? { lines: body } : { body }),
    isPublic,
    signal
  })
  try {
    const text = await response.text()
    if (text === "") return undefined
    const type = response.headers.get("content-type") ?? ""
    if (type.startsWith("application/x-ndjson"))
      return text
        .trimEnd()
        .split("\n")
        .map((line): unknown => JSON.parse(line))
    return /[/+]json\b/.test(type) ? JSON.parse(text) : text
  } catch (error) {
    signal?.throwIfAborted()
    // The connection broke within the answer.
    throw new ConnectionError(error)
  }
}

/** Makes a function for each endpoint. */
export const makeApi = (http: Pick<Http, "request">): Api =>
  Object.fromEntries(
    Object.entries(routes).map(([group, named]) => [
      group,
      Object.fromEntries(
        Object.entries<Route>(named).map(([name, route]) => [
          name,
          (input?: Input, options?: CallOptions) => call(http, route, input, options)
        ])
      )
    ])
  ) as unknown as Api
