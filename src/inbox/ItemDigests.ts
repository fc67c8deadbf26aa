import type { ConversationId, ConversationSummary } from "../contract/Conversation.ts"

/*
 * A horizon shows that a conversation's rows were written, but not by whom. To a viewer who blocks one of the participants, that
 * alone would reveal what the blocked person does. So a copy's version also has a digest of each such item, and an item whose
 * digest is the same is not sent again.
 */

/** Digests by {@link digestKey}, in the order of the last changes. */
export type ItemDigests = ReadonlyMap<string, number>

/** Most digests in a version: those that changed last. The memory of a stream has all. */
export const mostDigests = 32

/** A digest has 48 bits. */
export const greatestDigest = 2 ** 48 - 1

/** The name of a conversation in a version. If two share a key, one of them is sent once too often. */
export const digestKey = (id: ConversationId): string => id.slice(-8)

/** A row of a read: an item, `null` if it is not sent, and its digest if the viewer blocks one of its participants. */
export interface DigestedItem {
  readonly id: ConversationId
  readonly item: typeof ConversationSummary.json.Type | null
  readonly digest: number | null
}

/** The digests of a copy after a read that found `items`, the last active first, and the user's conversations `ids`. */
export const updateDigests = (
  known: ItemDigests,
  items: ReadonlyArray<DigestedItem>,
  ids: ReadonlyArray<ConversationId>
): ItemDigests => {
  const digests = new Map(known)
  for (const { digest, id } of items.toReversed()) {
    const key = digestKey(id)
    digests.delete(key)
    if (digest !== null) digests.set(key, digest)
  }
  if (digests.size === 0) return digests
  // The digest of a conversation that is gone must not hide it when it returns.
  const keys = new Set(ids.map(digestKey))
  return new Map([...digests].filter(([key]) => keys.has(key)))
}

/** Whether a copy has exactly this item. */
export const isInCopy = (known: ItemDigests, { digest, id }: DigestedItem): boolean =>
  digest !== null && known.get(digestKey(id)) === digest

const keyLength = 8
const digestLength = 10

export const formatDigests = (digests: ItemDigests): string =>
  [...digests]
    .slice(-mostDigests)
    .map(([key, digest]) => key + digest.toString(36).padStart(digestLength, "0"))
    .join("")

/** Reads what {@link formatDigests} wrote. */
export const parseDigests = (text: string): ItemDigests =>
  new Map(
    (text.match(new RegExp(`.{${keyLength + digestLength}}`, "g")) ?? []).map((entry) => [
      entry.slice(0, keyLength),
      Number.parseInt(entry.slice(keyLength), 36)
    ])
  )

/** The input of {@link parseDigests}, as a part of a regular expression. */
export const digestsPattern = `(?:[0-9a-z]{${keyLength + digestLength}}){1,${mostDigests}}`
