import type { Option, Redacted } from "effect"
import { Config, Duration, Effect, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

/** An environment variable: the `Config` that reads it, and what the documentation and the error messages say about it. */
export interface Variable<out A> extends Config.Config<A> {
  readonly name: string
  /** As it would stand in the environment; `undefined` when there is none. */
  readonly defaultValue: string | undefined
  /** A few words for docs/configuration.md. */
  readonly description: string
  /** Ends a sentence that begins with "must be". */
  readonly expected: string
  readonly isSecret: boolean
}

/** A type of value: the schema that decodes it from text, and the words for it in error messages. */
export interface Kind<A> {
  readonly expected: string
  readonly schema: Schema.Codec<A, string>
  readonly isSecret?: boolean
}

const make = <A>(
  config: Config.Config<A>,
  name: string,
  { expected, isSecret = false }: Omit<Kind<unknown>, "schema">,
  defaultValue: string | undefined,
  description: string
): Variable<A> => Object.assign(config, { name, defaultValue, description, expected, isSecret })

/** A variable that has a default. */
export const setting = <A>(name: string, kind: Kind<A>, defaultValue: string, description: string): Variable<A> =>
  make(
    Config.schema(kind.schema, name).pipe(Config.withDefault(Schema.decodeSync(kind.schema)(defaultValue))),
    name,
    kind,
    defaultValue,
    description
  )

/** A variable that may be missing. */
export const optional = <A>(name: string, kind: Kind<A>, description: string): Variable<Option.Option<A>> =>
  make(Config.option(Config.schema(kind.schema, name)), name, kind, undefined, description)

export const text = (expected: string): Kind<string> => ({ expected, schema: Schema.String })

export const secret = (expected: string, minLength = 0): Kind<Redacted.Redacted> => ({
  expected,
  schema: Schema.RedactedFromValue(Schema.String.check(Schema.isMinLength(minLength))),
  isSecret: true
})

export const oneOf = <const Values extends ReadonlyArray<string>>(...values: Values): Kind<Values[number]> => ({
  expected: `one of ${values.join(", ")}`,
  schema: Schema.Literals(values)
})

export const integer = (minimum: number, maximum: number): Kind<number> => ({
  expected: `a whole number from ${minimum} to ${maximum}`,
  schema: Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum }))
})

export const url: Kind<URL> = { expected: "a URL", schema: Schema.URLFromString }

export const duration: Kind<Duration.Duration> = {
  expected: `a duration such as "30 seconds" or "2 hours"`,
  schema: Schema.String.check(Schema.isPattern(/^[1-9]\d{0,8} (milli|second|minute|hour|day)s?$/)).pipe(
    Schema.decodeTo(Schema.DurationFromString)
  )
}

export const durationBetween = (
  minimum: Duration.Duration,
  maximum: Duration.Duration,
  expected: string
): Kind<Duration.Duration> => ({
  expected,
  schema: duration.schema.check(Schema.makeFilter((value) => Duration.between(value, { minimum, maximum })))
})

export const rate: Kind<number | "none"> = {
  expected: `a whole number of requests a minute from 1 to 1000000, or "none"`,
  schema: Schema.Union([
    Schema.Literal("none"),
    Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
  ])
}

export const origins: Kind<ReadonlyArray<string>> = {
  expected: "none, *, or origins separated by commas, such as https://app.example.com",
  schema: Schema.String.check(Schema.isPattern(/^(none|\*|https?:\/\/[\w.:[\]-]+(,https?:\/\/[\w.:[\]-]+)*)$/)).pipe(
    Schema.decodeTo(
      Schema.Array(Schema.String),
      SchemaTransformation.transform<ReadonlyArray<string>, string>({
        decode: (text) => (text === "none" ? [] : text.split(",")),
        encode: (origins) => (origins.length === 0 ? "none" : origins.join())
      })
    )
  )
}

/** An address is a network of its own. */
const network = (text: string) =>
  text.includes("/")
    ? IpNetwork.fromString(text)
    : Result.flatMap(NetAddress.ipFromString(text), (address) => IpNetwork.make(address, NetAddress.width(address)))

export const networks: Kind<ReadonlyArray<IpNetwork.IpNetwork>> = {
  expected: "addresses and networks separated by commas, such as 10.0.0.0/8,2001:db8::1",
  schema: Schema.String.pipe(
    Schema.decodeTo(
      Schema.Array(Schema.declare(IpNetwork.isIpNetwork)),
      SchemaTransformation.transformEffect<ReadonlyArray<IpNetwork.IpNetwork>, string>({
        decode: (text) =>
          Effect.fromResult(Result.all(text.split(",").map((part) => network(part.trim())))).pipe(
            Effect.mapError(() => new SchemaIssue.InvalidValue({ message: "not an address or a network" }))
          ),
        encode: (networks) => Effect.succeed(networks.map(IpNetwork.format).join())
      })
    )
  )
}

/** Headers, as OpenTelemetry writes them. */
export const headers: Kind<Redacted.Redacted<Readonly<Record<string, string>>>> = {
  expected: "percent-encoded names and values separated by commas: name=value,name=value",
  schema: Schema.RedactedFromValue(
    Schema.String.check(Schema.isPattern(/^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$/)).pipe(
      Schema.decodeTo(
        Schema.Record(Schema.String, Schema.String),
        SchemaTransformation.transform<Readonly<Record<string, string>>, string>({
          decode: (text) => Object.fromEntries(new URLSearchParams(text.replaceAll("+", "%2B").replaceAll(",", "&"))),
          encode: (headers) => `${new URLSearchParams(headers)}`.replaceAll("&", ",")
        })
      )
    )
  ),
  isSecret: true
}
