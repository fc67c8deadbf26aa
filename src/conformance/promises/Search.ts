import { assert } from "../Assert.ts"
import type { Subject } from "../Subject.ts"
import { atOnce, twoPeople, type Message, type Person } from "../Client.ts"

interface Found {
  readonly messages: ReadonlyArray<Message & { readonly marks: ReadonlyArray<{ start: number; end: number }> }>
  readonly cursor: string | null
  readonly isComplete: boolean
}

const search = (person: Person, parameters: Record<string, string>) =>
  person.get<Found>(`/api/messages/search?${new URLSearchParams(parameters).toString()}`)

/** Follows `cursor` to the last page. `between` happens after the first. */
const readOn = async (person: Person, parameters: Record<string, string>, between: () => Promise<unknown>) => {
  const pages: Array<Found> = []
  let cursor: string | null = null
  do {
    const { body, status } = await search(person, cursor === null ? parameters : { ...parameters, cursor })
    assert.strictEqual(status, 200)
    if (pages.length === 0) await between()
    pages.push(body)
    cursor = body.cursor
  } while (cursor !== null)
  return pages
}

export const searches: Subject = {
  name: "A search",
  document: "docs/api.md",
  promises: {
    "leads from page to page by its cursor, also while messages arrive": async (server) => {
      const { ada, conversation, grace } = await twoPeople(server)
      for (let n = 1; n <= 7; n++) await ada.send(conversation, `needle ${n}`)
      const pages = await readOn(grace, { q: "needle", limit: "3" }, () =>
        atOnce(5, () => ada.send(conversation, "needle, but later"))
      )
      assert.deepStrictEqual(
        pages.map(({ messages }) => messages.map(({ content }) => content)),
        [["needle 7", "needle 6", "needle 5"], ["needle 4", "needle 3", "needle 2"], ["needle 1"]]
      )
      for (const { isComplete, messages } of pages) {
        assert.strictEqual(isComplete, true)
        for (const { marks } of messages) assert.deepStrictEqual(marks, [{ start: 0, end: 6 }])
      }
      assert.strictEqual((await search(grace, { q: "needle" })).body.messages.length, 12)
    },

    "refuses a cursor that no answer has had, and names it": async (server) => {
      const { ada } = await twoPeople(server)
      for (const cursor of ["", "1", "x_y_z", "1_00000000-0000-4000-8000-000000000000_-1"]) {
        const { body, status } = await search(ada, { q: "needle", cursor })
        assert.strictEqual(status, 422, cursor)
        assert.include(JSON.stringify(body), `["query","cursor"]`, cursor)
      }
    }
  }
}
