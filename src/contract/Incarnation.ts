import { Schema } from "effect"

/**
 * Names a period of the database's history in which no commit was lost. It changes when the database returns without commits
 * that clients may have seen. The first one is empty.
 */
export const Incarnation = Schema.String.check(Schema.isPattern(/^[a-z0-9]{0,16}$/)).pipe(Schema.brand("Incarnation"))
export type Incarnation = typeof Incarnation.Type

export const firstIncarnation = Incarnation.make("")

/** A version as clients see it: `57` in the first incarnation, `k3x9q2-57` in another. */
export const qualify = (incarnation: Incarnation, version: string | number): string =>
  incarnation === firstIncarnation ? String(version) : `${incarnation}-${version}`

/** The parts that {@link qualify} joined. */
export const splitQualified = (text: string): { readonly incarnation: Incarnation; readonly version: string } => {
  const [, incarnation, version = text] = /^([a-z0-9]{1,16})-(.*)$/s.exec(text) ?? []
  return { incarnation: incarnation === undefined ? firstIncarnation : Incarnation.make(incarnation), version }
}

/** An SQL expression: the incarnation that a statement reads in. */
export const currentIncarnation = "coalesce((SELECT incarnation FROM database_incarnation), '')"
