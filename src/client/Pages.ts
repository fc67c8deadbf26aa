import type { InboxPage, PresencePage, Profile } from "./operations.ts"

/** A snapshot of a resource, or the part that has changed. */
export type PageUpdate<Page> =
  | { readonly version: string; readonly snapshot: Page }
  | { readonly version: string; readonly change: Page }
  /** The end of a long poll. */
  | { readonly version: string }

/** A resource at a version. Both are `undefined` before the first update. */
export interface Copy<Page> {
  readonly version: string | undefined
  readonly page: Page | undefined
}

const reduceWith =
  <Page>(put: (page: Page, change: Page) => Page) =>
  ({ page, version }: Copy<Page>, update: PageUpdate<Page>): Copy<Page> => {
    if ("snapshot" in update) return { version: update.version, page: update.snapshot }
    if (!("change" in update)) return { version: update.version ?? version, page }
    return { version: update.version, page: page === undefined ? update.change : put(page, update.change) }
  }

/** Conversations and lists of people replace the earlier ones. The caller has left a conversation whose id is not in the list. */
export const reduceInbox = reduceWith<InboxPage>((page, change) => {
  const conversations = { ...page.conversations, ...change.conversations }
  return {
    ...page,
    ...change,
    conversations: Object.fromEntries(
      change.conversationIds.flatMap((id) => {
        const conversation = conversations[id]
        return conversation === undefined ? [] : [[id, conversation]]
      })
    )
  }
})

/** Members that changed replace the earlier ones. Offline people and conversations where nobody types have no entry. */
export const reducePresence = reduceWith<PresencePage>((page, change) => ({
  people: Object.fromEntries(
    Object.entries({ ...page.people, ...change.people }).filter(([, { status }]) => status !== "offline")
  ),
  typing: Object.fromEntries(
    Object.entries({ ...page.typing, ...change.typing }).filter(([, userIds]) => userIds.length > 0)
  )
}))

/** The people whose names and pictures an inbox has. */
export const peopleOf = ({ blocks = [], conversations, friends = [], requests = [] }: InboxPage) => {
  const summaries = Object.values(conversations)
  const people: ReadonlyArray<Profile | null | undefined> = [
    ...summaries.flatMap(({ participants }) => participants),
    ...summaries.flatMap(({ lastMessage, other }) => [other, lastMessage?.sender, lastMessage?.subject]),
    ...friends,
    ...blocks,
    ...requests.map(({ user }) => user)
  ]
  return people.flatMap((person): ReadonlyArray<Profile> => {
    if (person === null || person === undefined) return []
    const { avatarUrl, displayName, id, username } = person
    return [{ id, username, displayName, avatarUrl }]
  })
}
