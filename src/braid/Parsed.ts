/** Input that does not follow the grammar. `reason` is one sentence to show to its sender. */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly reason: string
}

/** The result of a parser: a value, or the reason why there is none. Parsers never throw. */
export type Parsed<A> = { readonly _tag: "Parsed"; readonly value: A } | Malformed

export const parsed = <A>(value: A): Parsed<A> => ({ _tag: "Parsed", value })

export const malformed = (reason: string): Malformed => ({ _tag: "Malformed", reason })
