import { assert } from "../Assert.ts"
import { each, type Subject } from "../Subject.ts"
import { randomUUID } from "node:crypto"
import { atOnce, countStatuses, Person, newConversation, type Message, type Page } from "../Client.ts"

/** Follows `before`, from the newest page back to the first message. */
const readBack = async (person: Person, messages: string, limit: number): Promise<ReadonlyArray<Page>> => {
  const pages: Array<Page> = []
  let before: string | null | undefined
  do {
    const query = before === undefined ? "" : `&before=${before}`
    const { body } = await person.get<Page>(`${messages}?limit=${limit}${query}`)
    pages.push(body)
    before = body.before
  } while (before !== null)
  return pages
}

const seqs = (messages: ReadonlyArray<Message>) => messages.map(({ seq }) => seq)
const oneTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

export const messages: Subject = {
  name: "Messages",
  document: "docs/api.md",
  promises: {
    "a message is created once, and a repeated send returns it": async (server) => {
      const { ada, grace, messages } = await newConversation(server)
      const id = randomUUID()
      const path = `${messages}/${id}`
      const first = await ada.put<Message>(path, { content: "Hello" })
      assert.strictEqual(first.status, 201)
      assert.deepInclude(first.body, {
        id,
        conversationId: messages.split("/")[3] ?? "",
        seq: 1,
        version: 1,
        senderId: ada.id,
        messageType: "text",
        content: "Hello",
        replyTo: null,
        editedAt: null,
        deletedAt: null,
        isDelivered: false,
        isRead: false
      })
      assert.isBelow(Math.abs(Date.parse(first.body.createdAt) - Date.parse(first.headers.get("date") ?? "")), 60_000)
      assert.strictEqual(first.headers.get("version"), '"1"')

      // A person who writes has read up to there.
      await grace.send(messages.replace("/messages", ""), "Hello yourself")
      const read = { ...first.body, isDelivered: true, isRead: true }
      for (let times = 0; times < 3; times++) {
        const again = await ada.put<Message>(path, { content: "Hello", messageType: "text" })
        assert.strictEqual(again.status, 200)
        assert.deepStrictEqual(again.body, read)
        assert.strictEqual(again.headers.get("version"), '"1"')
      }
      for (const reader of [ada, grace]) {
        const found = await reader.get<Message>(path)
        assert.strictEqual(found.status, 200)
        assert.deepStrictEqual(found.body, read)
      }
    },

    "one message sent thirty times at once is one message": async (server) => {
      const { ada, messages } = await newConversation(server)
      const path = `${messages}/${randomUUID()}`
      const answers = await atOnce(30, () => ada.put<Message>(path, { content: "once" }))
      assert.deepStrictEqual(countStatuses(answers), { 200: 29, 201: 1 })
      for (const { body } of answers) assert.deepStrictEqual(body, answers[0]?.body)
      assert.deepStrictEqual(
        (await ada.get<Page>(messages)).body.messages,
        answers.slice(0, 1).map(({ body }) => body)
      )
    },

    "an id cannot be reused for other content": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      const { id } = await ada.send(conversation, "this")
      for (const content of ["that", "This", "this ", "thi\u0073\u0301"]) {
        const answer = await ada.put(`${messages}/${id}`, { content })
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(answer.body.type, "MessageIdReused")
      }
      assert.strictEqual((await ada.get<Message>(`${messages}/${id}`)).body.content, "this")
    },

    "of two contents sent under one id at once, one is stored and one is a conflict": async (server) => {
      const { ada, messages } = await newConversation(server)
      const path = `${messages}/${randomUUID()}`
      const answers = await atOnce(10, (index) =>
        ada.put<Message>(path, { content: index % 2 === 0 ? "this" : "that" })
      )
      assert.deepStrictEqual(countStatuses(answers), { 200: 4, 201: 1, 422: 5 })
      const { body } = await ada.get<Page>(messages)
      assert.deepStrictEqual(
        body.messages.map(({ content }) => content),
        [answers.find(({ status }) => status === 201)?.body.content]
      )
    },

    "nobody overwrites the message of another": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const { id } = await ada.send(conversation, "mine")
      for (const content of ["mine", "yours"]) {
        const answer = await grace.put(`${messages}/${id}`, { content })
        assert.strictEqual(answer.status, 403)
        assert.strictEqual(answer.body.type, "Forbidden")
      }
      assert.strictEqual((await grace.get<Message>(`${messages}/${id}`)).body.content, "mine")
    },

    "an id used in another conversation is a conflict that reveals nothing": async (server) => {
      const { ada, conversation } = await newConversation(server)
      const { id } = await ada.send(conversation, "elsewhere")
      const alan = await Person.signUp(server)
      const other = await ada.conversationWith(alan)
      for (const sender of [ada, alan]) {
        const answer = await sender.put(`${other}/messages/${id}`, { content: "elsewhere" })
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(answer.body.type, "MessageIdReused")
        assert.notInclude(answer.text, "elsewhere")
        assert.notInclude(answer.text, conversation.split("/")[3] ?? "")
      }
      assert.strictEqual((await alan.get(`${other}/messages/${id}`)).status, 404)
      assert.deepStrictEqual((await alan.get<Page>(`${other}/messages`)).body.messages, [])
    },

    "a message that does not exist is 404": async (server) => {
      const { ada, messages } = await newConversation(server)
      assert.strictEqual((await ada.get(`${messages}/${randomUUID()}`)).status, 404)
    },

    "an empty conversation is an empty page at version 0": async (server) => {
      const { ada, grace, messages } = await newConversation(server)
      const answer = await ada.get<Page>(messages)
      assert.strictEqual(answer.status, 200)
      const receipts = [ada.id, grace.id].toSorted().map((userId) => ({ userId, deliveredSeq: 0, readSeq: 0 }))
      assert.deepStrictEqual(answer.body, { messages: [], receipts, before: null, after: null })
      assert.strictEqual(answer.headers.get("version"), '"0"')
    },

    "a hundred concurrent sends of two people leave no gap and no duplicate": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const sent = await atOnce(100, (index) => (index % 2 === 0 ? ada : grace).send(conversation, `number ${index}`))
      assert.deepStrictEqual(
        seqs(sent).sort((a, b) => a - b),
        oneTo(100)
      )
      const page = await ada.get<Page>(`${messages}?limit=200`)
      assert.strictEqual(page.headers.get("version"), '"100"')
      assert.deepStrictEqual(seqs(page.body.messages), oneTo(100))
      // A person who writes has read up to there.
      const lastOf = new Map(page.body.messages.map(({ senderId, seq }) => [senderId, seq]))
      const asRead = (message: Message) => {
        const isRead = message.seq < (lastOf.get(message.senderId === ada.id ? grace.id : ada.id) ?? 0)
        return { ...message, isDelivered: isRead, isRead }
      }
      assert.sameMembers([...page.body.messages], sent.map(asRead))
    },

    "a page has the newest messages in order, 50 without a limit": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await atOnce(60, (index) => ada.send(conversation, `number ${index}`))
      const newest = await ada.get<Page>(messages)
      assert.deepStrictEqual(seqs(newest.body.messages), oneTo(60).slice(10))
      assert.deepInclude(newest.body, { before: "11", after: null })
      const three = await ada.get<Page>(`${messages}?limit=3`)
      assert.deepStrictEqual(seqs(three.body.messages), [58, 59, 60])
      assert.deepInclude(three.body, { before: "58", after: null })
    },

    "`before` leads back to the first message, each of them once": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      await atOnce(23, (index) => ada.send(conversation, `number ${index}`))
      for (const limit of [1, 7, 22, 23, 24]) {
        const pages = await readBack(grace, messages, limit)
        assert.strictEqual(pages.length, Math.ceil(23 / limit))
        assert.deepStrictEqual(seqs(pages.toReversed().flatMap((page) => page.messages)), oneTo(23))
      }
    },

    "`after` leads on to the newest message, each of them once": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await atOnce(23, (index) => ada.send(conversation, `number ${index}`))
      for (const limit of [1, 7, 23, 24]) {
        const found: Array<number> = []
        let after: string | null = "0"
        while (after !== null) {
          const answer: { body: Page } = await ada.get<Page>(`${messages}?limit=${limit}&after=${after}`)
          found.push(...seqs(answer.body.messages))
          after = answer.body.after
        }
        assert.deepStrictEqual(found, oneTo(23))
      }
    },

    "`before` and `after` name the messages strictly between them": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      await atOnce(9, (index) => ada.send(conversation, `number ${index}`))
      const between = async (query: string) => seqs((await ada.get<Page>(`${messages}?${query}`)).body.messages)
      assert.deepStrictEqual(await between("before=4"), [1, 2, 3])
      assert.deepStrictEqual(await between("before=1"), [])
      assert.deepStrictEqual(await between("after=7"), [8, 9])
      assert.deepStrictEqual(await between("after=9"), [])
      assert.deepStrictEqual(await between("after=1000"), [])
      assert.deepStrictEqual(await between("before=1000&limit=2"), [8, 9])
      assert.deepStrictEqual(await between("after=3&before=7"), [4, 5, 6])
      assert.deepStrictEqual(await between("after=3&before=7&limit=2"), [4, 5])
    },

    "a page is of the requested version, or is refused": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      for (const content of ["one", "two", "three"]) await ada.send(conversation, content)
      const newest = await ada.get<Page>(messages, { version: '"3"' })
      assert.strictEqual(newest.status, 200)
      assert.strictEqual(newest.headers.get("version"), '"3"')
      assert.deepStrictEqual(seqs(newest.body.messages), [1, 2, 3])

      const earlier = await ada.get<Page>(messages, { version: '"2"' })
      assert.include([200, 432], earlier.status)
      assert.strictEqual(earlier.headers.get("version"), '"2"')
      assert.deepStrictEqual(earlier.status === 200 ? seqs(earlier.body.messages) : [1, 2], [1, 2])
    },

    "every text of Unicode comes back as it was sent": async (server) => {
      const { ada, grace, conversation, messages } = await newConversation(server)
      const texts = [
        "emoji 😀 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        'a line\r\nand another\n\r\n\r\nHTTP 200 OK\r\nVersion: "9"\r\n',
        "שלום \u202Eעולם\u202C مرحبا",
        "cafe\u0301 is not café",
        "\u0001\u001b[31m\u007f\u0085\u2028\ufeff\uffff",
        '"quotes" and \\backslashes\\ and <b>&amp;</b> and ${this}',
        "  white space at both ends\t\n"
      ]
      const ids: Array<string> = []
      for (const text of texts) ids.push((await ada.send(conversation, text)).id)
      const { body } = await grace.get<Page>(messages)
      assert.deepStrictEqual(
        body.messages.map(({ content }) => content),
        texts
      )
      for (const [index, id] of ids.entries()) {
        const again = await ada.put<Message>(`${messages}/${id}`, { content: texts[index] })
        assert.strictEqual(again.status, 200)
      }
    },

    "a message may have 65,536 bytes and not one more": each(
      [
        ["one byte a character", "x".repeat(65_536)],
        ["two bytes a character", "é".repeat(32_768)],
        ["four bytes a character", "😀".repeat(16_384)],
        ["six bytes a character in JSON", "\u0001".repeat(65_536)]
      ] as const,
      async (server, [, longest]) => {
        const { ada, grace, conversation, messages } = await newConversation(server)
        const { id } = await ada.send(conversation, longest)
        assert.strictEqual((await grace.get<Message>(`${messages}/${id}`)).body.content, longest)
        const answer = await ada.put(`${messages}/${randomUUID()}`, { content: `${longest}x` })
        assert.strictEqual(answer.status, 422)
        assert.deepStrictEqual(answer.body.errors?.[0]?.path, ["payload", "content"])
        assert.isBelow(answer.text.length, 10_000)
      }
    )
  }
}
