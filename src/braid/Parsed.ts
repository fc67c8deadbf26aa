/** Input that does not follow the grammar. `reason` is one sentence fit to be shown to whoever sent it. */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly reason: string
}

/** What a parser gives: the value, or why there is none. Parsers never throw. */
export type Parsed<A> = { readonly _tag: "Parsed"; readonly value: A } | Malformed

/** The input was understood. */
export const parsed = <A>(value: A): Parsed<A> => ({ _tag: "Parsed", value })

/** The input was not understood. */
export const malformed = (reason: string): Malformed => ({ _tag: "Malformed", reason })
