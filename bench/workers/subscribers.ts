import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { quantile } from "../Measure.ts"
import { conversationId, participantOf, tokenOf, type Conversations } from "../Population.ts"
import { HttpConnection, openStream, requestText, type OpenStream } from "./HttpConnection.ts"
import { serve } from "./serve.ts"

/** One subscription for each participant of each conversation. */
interface Subscribers {
  readonly port: number
  readonly secret: string
  readonly conversations: Conversations
}

const pathOf = (conversation: number) => `/api/conversations/${conversationId(conversation)}/messages`

const places = ({ count, first, participants }: Conversations) =>
  Array.from({ length: count * participants }, (_, i) => ({
    conversation: first + Math.floor(i / participants),
    place: i % participants
  }))

const authorization = ({ conversations, secret }: Subscribers, conversation: number, place: number) =>
  `Bearer ${tokenOf(secret, participantOf(conversations, conversation, place))}`

const subscription = (
  subscribers: Subscribers,
  conversation: number,
  place: number,
  headers: Readonly<Record<string, string>>
) =>
  requestText("GET", pathOf(conversation), {
    authorization: authorization(subscribers, conversation, place),
    subscribe: "true",
    ...headers
  })

const streams: Array<OpenStream> = []

/** Counts the occurrences of a marker in a stream, wherever its chunks were cut. */
const counting = (marker: RegExp, onMatch: (match: RegExpExecArray) => void) => {
  let rest = ""
  return (text: string) => {
    const all = rest + text
    let end = 0
    for (const match of all.matchAll(marker)) {
      onMatch(match)
      end = match.index + match[0].length
    }
    // The tail that is kept is longer than any marker, so that a marker that was cut in two is whole with the next text.
    rest = all.slice(Math.max(end, all.length - 64))
  }
}

/** The content of a message of {@link commands.fanOut}, always of the same length. */
const contentOf = (number: number) => `fan-out ${String(number).padStart(6, "0")}`

let onReceipt: (number: number) => void = () => {}

const commands = {
  /** Opens the subscriptions, a few at a time, and keeps them open. */
  open: async (subscribers: Subscribers) => {
    const waiting = places(subscribers.conversations)
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
          const receive = counting(/"content":"fan-out (\d{6})"/g, (match) => onReceipt(Number(match[1])))
          const text = subscription(subscribers, next.conversation, next.place, {})
          streams.push(await openStream(subscribers.port, text, receive))
        }
      })
    )
  },

  /** Resets all open subscriptions at once, and waits until the server has let them go. It must answer meanwhile. */
  reset: async ({ port }: { readonly port: number }) => {
    for (const { reset } of streams.splice(0)) reset()
    const connection = await HttpConnection.open(port)
    for (;;) {
      const { body, status } = await connection.request(requestText("GET", "/metrics", {}))
      if (status !== 200) throw new Error(`after the resets the server answers ${status}`)
      if (/^xfchat_streams_open 0$/m.test(body)) break
      await sleep(100)
    }
    connection.close()
  },

  /** Sends one message, and returns all that a subscriber receives for it, without chunk framing. */
  sample: async ({ conversation, ...subscribers }: Subscribers & { readonly conversation: number }) => {
    const content = contentOf(999_999)
    let received = ""
    const arrived = new Promise<void>((resolve, reject) => {
      const receive = (text: string) => {
        received += text
        if (/fan-out 999999[^]*\r\n\r\n\r\n/.test(received)) resolve()
      }
      openStream(subscribers.port, subscription(subscribers, conversation, 0, {}), receive).then(async (stream) => {
        await sleep(500)
        received = ""
        const sender = await HttpConnection.open(subscribers.port)
        await sender.request(put(subscribers, conversation, content))
        await arrived
        sender.close()
        stream.close()
      }, reject)
    })
    await arrived
    const start = received.indexOf("\r\n") + 2
    return received.slice(start, start + Number.parseInt(received, 16))
  },

  /** Sends messages at a steady rate, and returns the milliseconds from each send to the last subscriber's receipt. */
  fanOut: async ({
    conversation,
    messages,
    perSecond,
    ...subscribers
  }: Subscribers & { readonly conversation: number; readonly messages: number; readonly perSecond: number }) => {
    const receipts = new Map<number, { readonly sent: number; count: number }>()
    const latencies: Array<number> = []
    const done = Promise.withResolvers<void>()
    onReceipt = (number) => {
      const message = receipts.get(number)
      if (message === undefined || ++message.count < streams.length) return
      receipts.delete(number)
      latencies.push(performance.now() - message.sent)
      if (latencies.length === messages) done.resolve()
    }
    const sender = await HttpConnection.open(subscribers.port)
    const begin = performance.now()
    for (let number = 0; number < messages; number++) {
      await sleep(Math.max(0, begin + (number * 1000) / perSecond - performance.now()))
      const text = put(subscribers, conversation, contentOf(number))
      receipts.set(number, { sent: performance.now(), count: 0 })
      const { body, headers, status } = await sender.request(text)
      if (status !== 201) throw new Error(`${headers}\n${body}`)
    }
    await done.promise
    sender.close()
    return { deliveries: messages * streams.length, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
  },

  /** All participants return at once from a version. Returns the milliseconds until the last of them has all later messages. */
  comeBack: async ({
    behind,
    from,
    ...subscribers
  }: Subscribers & { readonly from: number; readonly behind: number }) => {
    const begin = performance.now()
    await Promise.all(
      places(subscribers.conversations).map(async ({ conversation, place }) => {
        const caughtUp = Promise.withResolvers<void>()
        let count = 0
        const receive = counting(/"seq":(\d+),/g, () => {
          if (++count === behind) caughtUp.resolve()
        })
        const text = subscription(subscribers, conversation, place, { parents: `"${from}"` })
        streams.push(await openStream(subscribers.port, text, receive))
        await caughtUp.promise
      })
    )
    return performance.now() - begin
  },

  /** All that one participant receives who returns from a version, without chunk framing. */
  missed: async ({
    behind,
    from,
    ...subscribers
  }: Subscribers & { readonly from: number; readonly behind: number }) => {
    let received = ""
    const caughtUp = Promise.withResolvers<void>()
    const text = subscription(subscribers, subscribers.conversations.first, 0, { parents: `"${from}"` })
    const stream = await openStream(subscribers.port, text, (text) => {
      received += text
      if (received.matchAll(/"seq":\d+,/g).toArray().length === behind && received.endsWith("\r\n")) caughtUp.resolve()
    })
    await caughtUp.promise
    stream.close()
    let body = ""
    for (let start = 0; start < received.length;) {
      const length = Number.parseInt(received.slice(start, start + 8), 16)
      const begin = received.indexOf("\r\n", start) + 2
      body += received.slice(begin, begin + length)
      start = begin + length + 2
    }
    return body
  },

  /** Returns the milliseconds of opening the newest page, and of resuming a few messages behind the head until all are there. */
  read: async ({
    behind,
    conversation,
    head,
    ...subscribers
  }: Subscribers & { readonly conversation: number; readonly head: number; readonly behind: number }) => {
    const connection = await HttpConnection.open(subscribers.port)
    const page = requestText("GET", `${pathOf(conversation)}?limit=${behind}`, {
      authorization: authorization(subscribers, conversation, 0)
    })
    const pageBegin = performance.now()
    const { body, headers, status } = await connection.request(page)
    const pageTime = performance.now() - pageBegin
    if (status !== 200) throw new Error(`${headers}\n${body}`)
    connection.close()

    const caughtUp = Promise.withResolvers<void>()
    let count = 0
    const receive = counting(/"seq":(\d+),/g, () => {
      if (++count === behind) caughtUp.resolve()
    })
    const text = subscription(subscribers, conversation, 0, { parents: `"${head - behind}"` })
    const resumeBegin = performance.now()
    const stream = await openStream(subscribers.port, text, receive)
    await caughtUp.promise
    const resumeTime = performance.now() - resumeBegin
    stream.close()
    return { page: pageTime, resume: resumeTime }
  }
}
export type Subscribing = typeof commands

const put = (subscribers: Subscribers, conversation: number, content: string) =>
  requestText(
    "PUT",
    `${pathOf(conversation)}/${randomUUID()}`,
    { authorization: authorization(subscribers, conversation, 0) },
    JSON.stringify({ content })
  )

serve(commands)
