import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Effect, Fiber, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { subscribe as subscribeToChannel, unsubscribe } from "node:diagnostics_channel"
import { get, type IncomingMessage, type ServerResponse } from "node:http"
import { setTimeout } from "node:timers/promises"
import { Sessions } from "../../src/auth/Sessions.ts"
import { UpdateParser } from "../../src/braid/UpdateParser.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { LiveStreams } from "../../src/live/LiveStreams.ts"
import { MessageId } from "../../src/contract/Message.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { signedIn, TestServer } from "../../src/testing/index.ts"

/** The server's side of the next request: Node tells of each that it starts. */
const nextAnswer = () =>
  new Promise<ServerResponse>((resolve) => {
    const channel = "http.server.request.start"
    const onStart = (message: unknown) => {
      unsubscribe(channel, onStart)
      resolve((message as { readonly response: ServerResponse }).response)
    }
    subscribeToChannel(channel, onStart)
  })

/** Subscribes on a connection of its own, and reads nothing beyond the head. */
const subscribe = (url: string, token: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const answer = nextAnswer()
      const head = new Promise<IncomingMessage>((resolve, reject) =>
        get(
          url,
          { agent: false, headers: { subscribe: "true", parents: "", authorization: `Bearer ${token}` } },
          resolve
        ).on("error", reject)
      )
      return { answer: await answer, head: await head }
    }),
    ({ head }) => Effect.sync(() => head.destroy())
  )

/** Reads on until a number of updates after the root is there: their versions. */
const read = (head: IncomingMessage, count: number) =>
  Effect.promise(async () => {
    const parser = new UpdateParser()
    const versions: Array<number> = []
    for await (const chunk of head as AsyncIterable<Buffer>) {
      for (const event of parser.push(chunk)) {
        // Receipts come between the messages.
        const isMessage = event._tag === "Patches" && event.patches[0]?.contentRange !== "json .receipts"
        if (isMessage) versions.push(Number(event.version[0]))
      }
      if (versions.length === count) break
    }
    return versions
  })

/** More than a ring has frames, and more bytes than the sockets between server and client hold. */
const count = 600
const size = 40_000

layer(TestServer.layerSocket, { excludeTestServices: true })("A subscriber who stops reading", (it) => {
  it.effect("costs little, holds up nobody, and gets everything once they read on", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* TestServer
      const messages = yield* Messages
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      const url = `${baseUrl}/api/conversations/${conversation.id}/messages`
      const stalled = yield* subscribe(url, grace.token)
      const reading = yield* subscribe(url, grace.token)

      const all = Arrays.range(1, count)
      const received = yield* Effect.forkChild(read(reading.head, count))
      yield* Effect.forEach(
        all,
        () =>
          messages.send(ada.id, conversation.id, MessageId.make(randomUUID()), {
            content: "x".repeat(size),
            messageType: "text"
          }),
        { concurrency: 32, discard: true }
      )
      assert.deepStrictEqual(yield* received.pipe(Fiber.join), all)

      const { socket, writableLength } = stalled.answer
      // The server writes while there is room, and no batch beyond that.
      assert.isBelow(writableLength, 3 * size)
      assert.isBelow(socket?.bytesWritten ?? Infinity, (count * size) / 2)

      assert.deepStrictEqual(yield* read(stalled.head, count), all)
    })
  )

  it.effect("is offline once their session has ended, although the connection stays open", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* TestServer
      const messages = yield* Messages
      const streams = yield* LiveStreams
      const sessions = yield* Sessions
      const [ada, grace] = [yield* signedIn(), yield* signedIn()]
      const { conversation } = yield* (yield* Conversations).direct(ada.id, grace.id)
      const stalled = yield* subscribe(`${baseUrl}/api/conversations/${conversation.id}/messages`, grace.token)
      yield* Effect.forEach(
        Arrays.range(1, count),
        () =>
          messages.send(ada.id, conversation.id, MessageId.make(randomUUID()), {
            content: "x".repeat(size),
            messageType: "text"
          }),
        { concurrency: 32, discard: true }
      )
      assert.isTrue(streams.hasStream(grace.id))
      yield* sessions.end((yield* sessions.authenticate(Redacted.make(grace.token))).id)
      yield* Effect.promise(async () => {
        while (streams.hasStream(grace.id)) await setTimeout(20)
      })
      assert.isFalse(stalled.answer.writableFinished)
      assert.isFalse(stalled.answer.destroyed)
    })
  )
})
