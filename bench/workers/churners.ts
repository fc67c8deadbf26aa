import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { conversationId, participantOf, tokenOf, type Conversations } from "../Population.ts"
import { HttpConnection, openStream, requestText } from "./HttpConnection.ts"
import { serve } from "./serve.ts"

interface Churn {
  readonly port: number
  readonly secret: string
  readonly conversations: Conversations
  readonly clients: number
  readonly seconds: number
}

const below = (count: number) => Math.floor(Math.random() * count)

const commands = {
  /**
   * Clients that connect, follow a stream, send a few messages and disconnect, over and over. Returns how often they did, and
   * how often they got a 503.
   */
  churn: async ({ clients, conversations, port, secret, seconds }: Churn) => {
    const end = performance.now() + seconds * 1_000
    const counts = { streams: 0, sends: 0, unavailable: 0 }
    const visit = async () => {
      const conversation = conversations.first + below(conversations.count)
      const user = participantOf(conversations, conversation, below(conversations.participants))
      const authorization = `Bearer ${tokenOf(secret, user)}`
      const messages = `/api/conversations/${conversationId(conversation)}/messages`
      const path = [messages, "/api/inbox", "/api/presence"][below(3)] ?? messages
      const stream = await openStream(port, requestText("GET", path, { authorization, subscribe: "true" }), () => {})
      counts.streams++
      for (let left = below(4); left > 0; left--) {
        const connection = await HttpConnection.open(port)
        const text = requestText("PUT", `${messages}/${randomUUID()}`, { authorization }, `{"content":"a message"}`)
        const reply = await connection.request(text)
        connection.close()
        if (reply.status === 503) counts.unavailable++
        else if (reply.status === 201) counts.sends++
        else throw new Error(`${reply.headers}\n${reply.body}`)
      }
      await sleep(below(1_000))
      if (below(2) === 0) stream.close()
      else stream.reset()
    }
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (performance.now() < end) {
          await visit().catch((error: unknown) => {
            if (!(error instanceof Error && error.message.startsWith("HTTP/1.1 503 "))) throw error
            counts.unavailable++
          })
        }
      })
    )
    return counts
  }
}
export type Churning = typeof commands

serve(commands)
