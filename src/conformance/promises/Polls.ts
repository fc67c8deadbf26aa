import { assert } from "../Assert.ts"
import type { Subject } from "../Subject.ts"
import { newConversation, type Message } from "../Client.ts"

interface Poll {
  readonly updates: ReadonlyArray<{ readonly message?: Message }>
  readonly version: string
}

export const polls: Subject = {
  name: "A long poll",
  document: "docs/streaming.md",
  promises: {
    "is bounded in bytes, and the next ones bring the rest, in order": async (server) => {
      const { ada, conversation, grace, messages } = await newConversation(server)
      const sent: Array<string> = []
      for (let count = 0; count < 5; count++) sent.push((await ada.send(conversation, "\u0001".repeat(65_536))).id)
      const heard: Array<string> = []
      let version = "0"
      let polls = 0
      while (heard.length < sent.length) {
        const answer = await grace.get<Poll>(`${messages}?wait=20s&after=${version}`)
        assert.strictEqual(answer.status, 200)
        // The budget, or one message in its longest form.
        assert.isAtMost(answer.text.length, 524_288 + 2_048)
        const told = JSON.stringify(answer.body.updates.map((update) => Object.keys(update)))
        const ids = answer.body.updates.flatMap((update) => (update.message === undefined ? [] : [update.message.id]))
        assert(ids.length > 0, told)
        heard.push(...ids)
        version = answer.body.version
        polls += 1
      }
      assert.deepStrictEqual(heard, sent)
      assert.isAbove(polls, 1)
    }
  }
}
