import { assert } from "../Assert.ts"
import type { Subject } from "../Subject.ts"
import {
  Client,
  password,
  Person,
  twoPeople,
  uniqueName,
  type Conversation,
  type Page,
  type Problem
} from "../Client.ts"
import { subscribe } from "../Stream.ts"

interface Inbox {
  readonly conversations: Readonly<
    Record<string, { readonly other: { readonly username: string; readonly displayName: string } | null }>
  >
}

const deleteAccount = (person: Person, json: unknown = { currentPassword: password }) =>
  person.request("DELETE", "/api/auth/me", { json })

const login = (person: Person, name: string) =>
  new Client(person.server).post<Problem>("/api/auth/login", { login: name, password })

export const deletion: Subject = {
  name: "Deleting an account",
  document: "docs/api.md",
  promises: {
    "answers 204, ends all sessions and streams, and forgets the login": async (server) => {
      const { ada, grace, messages } = await twoPeople(server)
      await using theirs = await subscribe(ada, messages)
      await using others = await subscribe(grace, messages)
      await theirs.snapshot()
      await others.snapshot()
      const answer = await deleteAccount(ada)
      assert.strictEqual(answer.status, 204)
      assert.strictEqual(answer.text, "")
      assert.strictEqual((await ada.get("/api/auth/me")).status, 401)
      assert.strictEqual(await theirs.next(), undefined)

      const unknown = await login(ada, uniqueName())
      for (const name of [ada.user.username, ada.user.email, `deleted-${ada.id}`]) {
        const refused = await login(ada, name)
        assert.strictEqual(refused.status, 401)
        assert.strictEqual(refused.text, unknown.text)
      }
      await grace.send(messages.replace("/messages", ""), "still here")
      await others.appendsAfter(0, 1)
    },

    "needs the password, and changes nothing without it": async (server) => {
      const ada = await Person.signUp(server)
      const wrong = await deleteAccount(ada, { currentPassword: "not the password" })
      assert.strictEqual(wrong.status, 403)
      for (const [json, member] of [
        [{}, "currentPassword"],
        [{ currentPassword: 7 }, "currentPassword"],
        [{ currentPassword: "x".repeat(1_025) }, "currentPassword"],
        [{ currentPassword: "a\u0000b" }, "currentPassword"],
        [{ currentPassword: password, reason: "none" }, "reason"]
      ] as const) {
        const answer = await deleteAccount(ada, json)
        assert.strictEqual(answer.status, 422, JSON.stringify(json))
        for (const { path } of answer.body.errors ?? []) assert.deepStrictEqual(path, ["payload", member])
      }
      assert.strictEqual((await ada.request("DELETE", "/api/auth/me")).status, 400)
      assert.deepStrictEqual((await ada.get("/api/auth/me")).body, ada.user as unknown)
    },

    "leaves their messages to the others, under a neutral name": async (server) => {
      const { ada, grace, conversation, messages } = await twoPeople(server)
      await ada.send(conversation, "from Ada")
      await grace.send(conversation, "from Grace")
      const before = (await grace.get<Page>(messages)).text
      await using inbox = await subscribe(grace, "/api/inbox")
      await inbox.snapshot()
      assert.strictEqual((await deleteAccount(ada)).status, 204)

      assert.strictEqual((await grace.get<Page>(messages)).text, before)
      const shown = { username: `deleted-${ada.id}`, displayName: "Deleted account", avatarUrl: null }
      const { participants } = (await grace.get<Conversation>(conversation)).body
      assert.deepInclude(participants.find(({ id }) => id === ada.id) as object, shown)
      const [, , , id = ""] = conversation.split("/")
      assert.deepInclude((await grace.get<Inbox>("/api/inbox")).body.conversations[id]?.other as object, shown)
      // The stream has it, too.
      const [update] = await inbox.updates(1)
      assert(update?._tag === "Patches")
      assert.include(update.patches.map(({ content }) => Buffer.from(content).toString()).join(), shown.username)
    },

    "removes the person from groups, and hands their own groups over": async (server) => {
      const [ada, grace] = [await Person.signUp(server), await Person.signUp(server)]
      const { body: group } = await ada.post<Conversation>("/api/conversations", {
        name: "Engines",
        participantIds: [grace.id]
      })
      await using stream = await subscribe(grace, `/api/conversations/${group.id}/messages`)
      await stream.snapshot()
      assert.strictEqual((await deleteAccount(ada)).status, 204)
      const [left, crowned] = await stream.appendsAfter(1, 2)
      assert.deepStrictEqual(left?.content as unknown, { event: "left", user: ada.id })
      assert.deepInclude(crowned?.content as unknown as object, { event: "roleChanged", user: grace.id, role: "owner" })
      const { body } = await grace.get<Conversation>(`/api/conversations/${group.id}`)
      assert.deepStrictEqual(
        body.participants.map(({ id, role }) => [id, role]),
        [[grace.id, "owner"]]
      )
    },

    "frees the username and the e-mail address": async (server) => {
      const ada = await Person.signUp(server)
      assert.strictEqual((await deleteAccount(ada)).status, 204)
      const next = await Person.signUp(server, ada.user.username)
      assert.notStrictEqual(next.id, ada.id)
      assert.strictEqual(next.user.email, ada.user.email)
    }
  }
}
