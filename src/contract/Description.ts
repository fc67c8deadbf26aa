import { Schema } from "effect"

/**
 * Describes a member, a parameter or a header where OpenAPI shows it. Accepted values and their decoding stay the same:
 * the text is an annotation of the key, on the decoded side and, since OpenAPI shows that one, on the encoded side.
 */
export const described =
  (description: string) =>
  <S extends Schema.Top>(schema: S): S["Rebuild"] =>
    Schema.flip(Schema.flip(schema.annotateKey({ description })).annotateKey({ description }))
