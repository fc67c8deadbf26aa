import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { quantile } from "../Measure.ts"
import { conversationId, participantOf, tokenOf, type Conversations } from "../Population.ts"
import { HttpConnection, requestText } from "./HttpConnection.ts"
import { serve } from "./serve.ts"

interface Sends {
  readonly port: number
  readonly secret: string
  readonly conversations: Conversations
  readonly connections: number
  readonly seconds: number
  /** Milliseconds between an acknowledgement and the next send of its connection; none unless given. */
  readonly pause?: number
}

const commands = {
  /** Sends messages over several connections, each the next one as soon as the last was acknowledged. */
  send: async ({ connections, conversations, pause, port, secret, seconds }: Sends) => {
    const end = performance.now() + seconds * 1000
    const latencies: Array<number> = []
    const one = async (connection: HttpConnection) => {
      const conversation = conversations.first + Math.floor(Math.random() * conversations.count)
      const place = Math.floor(Math.random() * conversations.participants)
      const text = requestText(
        "PUT",
        `/api/conversations/${conversationId(conversation)}/messages/${randomUUID()}`,
        { authorization: `Bearer ${tokenOf(secret, participantOf(conversations, conversation, place))}` },
        `{"content":"a message of a common length, as people write them"}`
      )
      const sent = performance.now()
      const reply = await connection.request(text)
      const acknowledged = performance.now()
      if (reply.status !== 201) throw new Error(`${reply.headers}\n${reply.body}`)
      if (acknowledged < end) latencies.push(acknowledged - sent)
    }
    await Promise.all(
      Array.from({ length: connections }, async () => {
        const connection = await HttpConnection.open(port)
        while (performance.now() < end) {
          await one(connection)
          if (pause !== undefined) await sleep(pause)
        }
        connection.close()
      })
    )
    return { rate: latencies.length / seconds, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
  },

  /** Sends requests of many messages over several connections, and gives the messages per second. */
  sendMany: async ({
    connections,
    conversations,
    lines,
    port,
    secret,
    seconds
  }: Sends & { readonly lines: number }) => {
    const end = performance.now() + seconds * 1000
    let sent = 0
    await Promise.all(
      Array.from({ length: connections }, async () => {
        const connection = await HttpConnection.open(port)
        while (performance.now() < end) {
          const conversation = conversations.first + Math.floor(Math.random() * conversations.count)
          const place = Math.floor(Math.random() * conversations.participants)
          const line = () => `{"id":"${randomUUID()}","content":"a message of a common length, as people write them"}\n`
          const reply = await connection.request(
            requestText(
              "POST",
              `/api/conversations/${conversationId(conversation)}/messages`,
              {
                authorization: `Bearer ${tokenOf(secret, participantOf(conversations, conversation, place))}`,
                "content-type": "application/x-ndjson"
              },
              Array.from({ length: lines }, line).join("")
            )
          )
          const stored = reply.body.split('{"status":201,').length - 1
          if (stored !== lines) throw new Error(`${reply.headers}\n${reply.body}`)
          sent += stored
        }
        connection.close()
      })
    )
    return { rate: sent / seconds }
  }
}
export type Senders = typeof commands

serve(commands)
