import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestDatabase } from "../../src/testing/index.ts"
import { Client, password, Person, type SignedIn } from "../../src/conformance/Client.ts"
import { subscribe, type Stream } from "../../src/conformance/Stream.ts"
import { startServer } from "../serverProcess.ts"

/** The ways to end a person's session from another device. */
const ends: Record<string, (phone: Person, laptopSession: string) => Promise<{ readonly status: number }>> = {
  "is revoked": (phone, id) => phone.request("DELETE", `/api/auth/sessions/${id}`),
  "is one of all others": (phone) => phone.request("DELETE", "/api/auth/sessions"),
  "is ended by another password": (phone) =>
    phone.put("/api/auth/password", { currentPassword: password, newPassword: "another password" }),
  "goes with its account": (phone) => phone.request("DELETE", "/api/auth/me", { json: { currentPassword: password } })
}

/** Reads a stream to its end. */
const ended = async (stream: Stream) => {
  while ((await stream.next()) !== undefined);
}

describe("Of two processes on one database, a session that", () => {
  for (const [what, end] of Object.entries(ends)) {
    it.live(`${what} at one ends at the other, with its streams and no others`, () =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        const [here, there] = yield* Effect.all([startServer("node", url), startServer("node", url)], {
          concurrency: 2
        })
        yield* Effect.promise(async () => {
          const phone = await Person.signUp({ url: here.baseUrl })
          const login = { login: phone.user.username, password }
          const { body } = await new Client({ url: here.baseUrl }).post<SignedIn>("/api/auth/login", login)
          const laptop = new Person({ url: there.baseUrl }, body)
          const phoneThere = new Person({ url: there.baseUrl }, { ...body, token: `${phone.token}` })
          const { body: list } = await laptop.get<{
            readonly sessions: ReadonlyArray<{ readonly id: string; readonly isCurrent: boolean }>
          }>("/api/auth/sessions")
          const conversation = await phone.conversationWith(await Person.signUp({ url: here.baseUrl }))

          const streams = [
            await subscribe(laptop, `${conversation}/messages`),
            await subscribe(laptop, "/api/inbox"),
            await subscribe(phoneThere, `${conversation}/messages`)
          ] as const
          const [messages, inbox, goesOn] = streams
          try {
            for (const stream of streams) await stream.snapshot()
            assert.strictEqual((await end(phone, list.sessions.find(({ isCurrent }) => isCurrent)!.id)).status, 204)
            assert.strictEqual((await laptop.get("/api/auth/me")).status, 401)
            await ended(messages)
            await ended(inbox)
            if (what === "goes with its account") return await ended(goesOn)
            await phone.send(conversation, "still here")
            await goesOn.appendsAfter(0, 1)
            assert.strictEqual((await phoneThere.get("/api/auth/me")).status, 200)
          } finally {
            for (const stream of streams) await stream[Symbol.asyncDispose]()
          }
        })
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))
    )
  }
})
