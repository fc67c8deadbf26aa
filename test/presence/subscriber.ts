import { assert } from "@effect/vitest"
import { teller, type Told } from "../messages/picture.ts"

/** Presence as a client reads it. */
export interface Page {
  readonly people: Readonly<Record<string, { readonly status: string }>>
  readonly typing: Readonly<Record<string, ReadonlyArray<string>>>
  readonly cursor?: string | null
}

export const told = teller((parts): Page => {
  const change = { people: {} as Record<string, never>, typing: {} as Record<string, never> }
  for (const { contentRange, value } of parts) {
    const [, member, id = ""] = /^json \.(people|typing)\["([0-9a-f-]{36})"\]$/.exec(contentRange) ?? []
    change[member as "people" | "typing"][id] = value as never
  }
  return change
})

/** A subscriber's copy. */
export class Copy {
  version: string | undefined
  private page: Page = { people: {}, typing: {} }

  constructor(version?: string) {
    this.version = version
  }

  take({ change, parents, snapshot, version }: Told<Page>): void {
    if (snapshot !== undefined) {
      if (parents !== undefined) assert.deepStrictEqual(parents, [])
      this.page = snapshot
    } else {
      if (parents !== undefined) assert.deepStrictEqual(parents, [String(this.version)])
      assert(change !== undefined)
      this.page = {
        people: { ...this.page.people, ...change.people },
        typing: { ...this.page.typing, ...change.typing }
      }
    }
    assert.notStrictEqual(version, this.version)
    this.version = version
  }

  get online(): ReadonlyArray<string> {
    const { people } = this.page
    return Object.keys(people)
      .filter((id) => people[id]?.status === "online")
      .sort()
  }

  get typing(): Readonly<Record<string, ReadonlyArray<string>>> {
    return Object.fromEntries(Object.entries(this.page.typing).filter(([, typers]) => typers.length > 0))
  }
}
