import { assert } from "../Assert.ts"
import type { Subject } from "../Subject.ts"
import { atOnce, countStatuses, nobody, Person, newConversation, type Conversation } from "../Client.ts"

export const conversations: Subject = {
  name: "Direct conversations",
  document: "docs/api.md",
  promises: {
    "the first request creates it, and later ones of both find it": async (server) => {
      const ada = await Person.signUp(server)
      const grace = await Person.signUp(server)
      const made = await ada.put<Conversation>(`/api/conversations/direct/${grace.id}`)
      assert.strictEqual(made.status, 201)
      assert.deepInclude(made.body, { isDirectMessage: true, head: 0 })
      for (const [asker, other] of [
        [ada, grace],
        [grace, ada]
      ] as const) {
        const again = await asker.put<Conversation>(`/api/conversations/direct/${other.id}`)
        assert.strictEqual(again.status, 200)
        assert.deepStrictEqual(again.body, made.body)
        const read = await asker.get<Conversation>(`/api/conversations/${made.body.id}`)
        assert.strictEqual(read.status, 200)
        assert.deepStrictEqual(read.body, made.body)
      }
    },

    "lists its two participants, and nothing of theirs that is private": async (server) => {
      const { ada, grace, conversation } = await newConversation(server)
      const { body, text } = await grace.get<Conversation>(conversation)
      assert.sameMembers(
        body.participants.map(({ id, username, role }) => ({ id, username, role })),
        [ada, grace].map(({ user: { id, username } }) => ({ id, username, role: "member" }))
      )
      assert.notInclude(text, "@example.com")
    },

    "concurrent requests of both get one conversation": async (server) => {
      const [ada, grace] = await Promise.all([Person.signUp(server), Person.signUp(server)])
      const answers = await Promise.all([
        ada.put<Conversation>(`/api/conversations/direct/${grace.id}`),
        grace.put<Conversation>(`/api/conversations/direct/${ada.id}`)
      ])
      assert.deepStrictEqual(countStatuses(answers), { 200: 1, 201: 1 })
      assert.deepStrictEqual(answers[0].body, answers[1].body)
    },

    "twenty concurrent requests of both get one conversation": async (server) => {
      const [ada, grace] = await Promise.all([Person.signUp(server), Person.signUp(server)])
      const answers = await atOnce(20, (index) =>
        index % 2 === 0
          ? ada.put<Conversation>(`/api/conversations/direct/${grace.id}`)
          : grace.put<Conversation>(`/api/conversations/direct/${ada.id}`)
      )
      assert.deepStrictEqual(countStatuses(answers), { 200: 19, 201: 1 })
      assert.strictEqual(new Set(answers.map(({ body }) => body.id)).size, 1)
      assert.strictEqual(answers[0]?.body.participants.length, 2)
    },

    "each pair has its own": async (server) => {
      const people = await atOnce(3, () => Person.signUp(server))
      const [ada, grace, alan] = people as [Person, Person, Person]
      const conversations = [
        await ada.conversationWith(grace),
        await ada.conversationWith(alan),
        await alan.conversationWith(grace)
      ]
      assert.strictEqual(new Set(conversations).size, 3)
    },

    "an id is the same in upper and lower case": async (server) => {
      const { ada, grace, conversation } = await newConversation(server)
      const again = await ada.put<Conversation>(`/api/conversations/direct/${grace.id.toUpperCase()}`)
      assert.strictEqual(again.status, 200)
      const id = conversation.slice("/api/conversations/".length)
      assert.strictEqual(again.body.id, id)
      assert.strictEqual((await ada.get(`/api/conversations/${id.toUpperCase()}`)).status, 200)
    },

    "a conversation with oneself is refused": async (server) => {
      const ada = await Person.signUp(server)
      for (const id of [ada.id, ada.id.toUpperCase()]) {
        const answer = await ada.put(`/api/conversations/direct/${id}`)
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(answer.body.type, "ValidationFailed")
        assert.deepStrictEqual(answer.body.errors?.[0]?.path, ["params", "userId"])
      }
    },

    "a conversation with an unknown user is 404": async (server) => {
      const ada = await Person.signUp(server)
      const answer = await ada.put(`/api/conversations/direct/${nobody}`)
      assert.strictEqual(answer.status, 404)
      assert.strictEqual(answer.body.type, "NotFound")
    },

    "an outsider cannot tell any part of it from one that does not exist": async (server) => {
      const { ada, conversation } = await newConversation(server)
      const { id } = await ada.send(conversation, "secret")
      const eve = await Person.signUp(server)
      const attempts = [
        (path: string) => eve.get(path),
        (path: string) => eve.get(`${path}/messages`),
        (path: string) => eve.get(`${path}/messages?limit=1&after=0`),
        (path: string) => eve.get(`${path}/messages`, { version: '"1"' }),
        (path: string) => eve.get(`${path}/messages`, { parents: '"7"' }),
        (path: string) => eve.get(`${path}/messages`, { subscribe: "true" }),
        (path: string) => eve.get(`${path}/messages`, { subscribe: "true", parents: '"1"' }),
        (path: string) => eve.get(`${path}/messages/${id}`),
        (path: string) => eve.put(`${path}/messages/${id}`, { content: "secret" }),
        (path: string) => eve.put(`${path}/messages/${crypto.randomUUID()}`, { content: "let me in" })
      ]
      for (const attempt of attempts) {
        const hidden = await attempt(conversation)
        const absent = await attempt(`/api/conversations/${nobody}`)
        assert.strictEqual(hidden.status, 404, hidden.text)
        assert.strictEqual(hidden.body.type, "NotFound")
        assert.strictEqual(hidden.text, absent.text)
        assert.sameMembers([...hidden.headers.keys()], [...absent.headers.keys()])
      }
      assert.strictEqual((await eve.request("HEAD", `${conversation}/messages`)).status, 404)
      assert.strictEqual((await ada.get<Conversation>(conversation)).body.head, 1)
    }
  }
}
