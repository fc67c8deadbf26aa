import { assert } from "../Assert.ts"
import type { Subject } from "../Subject.ts"
import { Client, nobody, Person, twoPeople } from "../Client.ts"

interface Presence {
  readonly people: Readonly<Record<string, { readonly status: string }>>
  readonly typing: Readonly<Record<string, ReadonlyArray<string>>>
  readonly cursor?: string | null
}

/** Polls until the page is as expected. */
const see = async (person: Person, isShown: (presence: Presence) => boolean) => {
  let version = ""
  for (;;) {
    const answer = await person.get<{ updates: ReadonlyArray<{ snapshot?: Presence }>; version: string }>(
      `/api/presence?wait=20s&after=${version}`
    )
    assert.strictEqual(answer.status, 200, answer.text)
    version = answer.body.version
    const { snapshot } = answer.body.updates.at(-1) ?? {}
    if (snapshot !== undefined && isShown(snapshot)) return snapshot
  }
}

export const presence: Subject = {
  name: "Presence",
  document: "docs/streaming.md",
  promises: {
    "shows who types, until they stop or their message is there": async (server) => {
      const { ada, conversation, grace } = await twoPeople(server)
      const id = conversation.split("/").at(-1) ?? ""
      for (const stop of [
        () => grace.post(`${conversation}/typing`, { isTyping: false }),
        () => grace.send(conversation, "Hello")
      ]) {
        for (const body of [{}, { isTyping: true }]) {
          const answer = await grace.post(`${conversation}/typing`, body)
          assert.deepStrictEqual([answer.status, answer.text], [204, ""])
        }
        const { typing } = await see(ada, ({ typing }) => id in typing)
        assert.deepStrictEqual(typing, { [id]: [grace.id] })
        await stop()
        await see(ada, ({ typing }) => !(id in typing))
      }
    },

    "shows who has a stream open, except oneself": async (server) => {
      const { ada, grace } = await twoPeople(server)
      const [toAda] = await Promise.all([
        see(ada, ({ people }) => grace.id in people),
        see(grace, ({ people }) => ada.id in people)
      ])
      assert.deepStrictEqual(toAda.people, { [grace.id]: { status: "online" } })
    },

    "is empty for somebody without acquaintances, and has a version to resume from": async (server) => {
      const answer = await (await Person.signUp(server)).get<Presence>("/api/presence")
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(answer.body, { people: {}, typing: {}, cursor: null })
      assert.match(answer.headers.get("version") ?? "", /^"[\w.-]+"$/)
    },

    "is 401 without a session, and typing is 404 for an outsider": async (server) => {
      const { conversation } = await twoPeople(server)
      const eve = await Person.signUp(server)
      assert.strictEqual((await new Client(server).get("/api/presence")).status, 401)
      assert.strictEqual((await new Client(server).post(`${conversation}/typing`, {})).status, 401)
      for (const body of [{}, { isTyping: false }]) {
        assert.strictEqual((await eve.post(`${conversation}/typing`, body)).status, 404)
        assert.strictEqual((await eve.post(`/api/conversations/${nobody}/typing`, body)).status, 404)
      }
    }
  }
}
