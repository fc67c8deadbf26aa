import { randomUUID } from "node:crypto"
import { assert } from "../Assert.ts"
import { newConversation, type Message, type Page, type Person, type Problem } from "../Client.ts"
import { connect, requestHead, sendAndEnd } from "../Connection.ts"
import { subscribe } from "../Stream.ts"
import { each, type Subject } from "../Subject.ts"

const type = { "content-type": "application/x-ndjson" }

interface Outcome {
  readonly status: number
  readonly version?: string
  readonly message?: Message
  readonly problem?: Problem
}

const linesOf = (values: ReadonlyArray<unknown>) => values.map((value) => `${JSON.stringify(value)}\n`).join("")

const newMessages = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: randomUUID(), content: `message ${n}` }))

const send = async (person: Person, path: string, body: string) => {
  const { status, text } = await person.request<Problem>("POST", path, { body, headers: type })
  assert.strictEqual(status, 200, text)
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Outcome)
}

export const lines: Subject = {
  name: "Lines of messages",
  document: "docs/api.md",
  promises: {
    "many messages of one request have their order in the answer, the log and the stream": async (server) => {
      const { ada, grace, messages } = await newConversation(server)
      await using stream = await subscribe(grace, messages)
      await stream.snapshot()
      const sent = newMessages(20)
      const outcomes = await send(ada, messages, linesOf(sent))
      assert.deepStrictEqual(
        outcomes.map(({ message, status }) => [status, message?.id, message?.seq]),
        sent.map(({ id }, n) => [201, id, n + 1])
      )
      assert.deepStrictEqual(
        await stream.appendsAfter(0, 20),
        outcomes.flatMap(({ message }) => message ?? [])
      )
      const again = await send(ada, messages, linesOf(sent))
      assert.deepStrictEqual(
        again.map(({ message, status }) => [status, message?.id, message?.seq]),
        sent.map(({ id }, n) => [200, id, n + 1])
      )
      const { headers } = await ada.get(`${messages}/${sent[0]?.id}`)
      assert.strictEqual(headers.get("version"), `"${outcomes[0]?.version}"`)
    },

    "a line that is refused stops no other, and a line may reply to an earlier one": async (server) => {
      const { ada, grace, messages } = await newConversation(server)
      const of = { grace: randomUUID(), first: randomUUID() }
      await grace.put(`${messages}/${of.grace}`, { content: "mine" })
      const outcomes = await send(
        ada,
        messages,
        linesOf([
          { id: of.first, content: "first" },
          { id: of.grace, content: "not mine" },
          { id: randomUUID(), content: "" },
          { id: of.first, content: "another" },
          { id: randomUUID(), content: "a reply", replyTo: of.first }
        ]) + "{"
      )
      assert.deepStrictEqual(
        outcomes.map(({ problem, status }) => [status, problem?.type]),
        [
          [201, undefined],
          [403, "Forbidden"],
          [422, "ValidationFailed"],
          [422, "MessageIdReused"],
          [201, undefined],
          [400, "MalformedRequest"]
        ]
      )
      assert.strictEqual(outcomes[4]?.message?.replyTo, of.first)
    },

    "lines that concern nobody, or are too many, too long or of another type are refused as a whole": async (
      server
    ) => {
      const { ada, messages } = await newConversation(server)
      const line = linesOf(newMessages(1))
      const refused: ReadonlyArray<readonly [status: number, path: string, body: string, type: string]> = [
        [404, `/api/conversations/${randomUUID()}/messages`, line, "application/x-ndjson"],
        [
          413,
          messages,
          linesOf(Array.from({ length: 10 }, () => ({ id: randomUUID(), content: "a".repeat(60_000) }))),
          "application/x-ndjson"
        ],
        [415, messages, line, "application/json"],
        [422, messages, linesOf(newMessages(257)), "application/x-ndjson"],
        [422, messages, "\n", "application/x-ndjson"]
      ]
      for (const [status, path, body, type] of refused) {
        const answer = await ada.request<Problem>("POST", path, { body, headers: { "content-type": type } })
        assert.strictEqual(answer.status, status, answer.text)
      }
      assert.deepStrictEqual((await ada.get<Page>(messages)).body.messages, [])
    },

    "lines that are cut off are not sent, not even those before the cut": each(
      [
        ["in the middle of a line", -5],
        ["between two lines", -linesOf(newMessages(1)).length]
      ] as const,
      async (server, [, end]) => {
        const { ada, messages } = await newConversation(server)
        const body = linesOf(newMessages(3))
        const headers = { ...ada.authorization, ...type, "content-length": `${body.length}` }
        const head = requestHead(server, "POST", messages, headers)
        const answer = await sendAndEnd(await connect(server), head + body.slice(0, end))
        assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/)
        assert.deepStrictEqual((await ada.get<Page>(messages)).body.messages, [])
      }
    )
  }
}
