import { assert } from "../Assert.ts"
import type { Subject } from "../Subject.ts"
import type { Server } from "../Server.ts"
import { atOnce, Client, nobody, password, Person, type SignedIn } from "../Client.ts"
import { subscribe } from "../Stream.ts"

interface Session {
  readonly id: string
  readonly deviceName: string | null
  readonly address: string | null
  readonly createdAt: string
  readonly lastUsedAt: string
  readonly expiresAt: string
  readonly isCurrent: boolean
}

const login = (server: Server, { user }: Person, secret = password, deviceName?: string) =>
  new Client(server).post<SignedIn>("/api/auth/login", {
    login: user.username,
    password: secret,
    ...(deviceName === undefined ? {} : { deviceName })
  })

/** Another session of a person. */
const another = async (server: Server, person: Person, deviceName?: string) => {
  const answer = await login(server, person, password, deviceName)
  assert.strictEqual(answer.status, 200)
  return new Person(server, answer.body)
}

const sessionsOf = async (person: Person) => {
  const answer = await person.get<{ readonly sessions: ReadonlyArray<Session> }>("/api/auth/sessions")
  assert.strictEqual(answer.status, 200)
  assert.notInclude(answer.text, `${person.token}`)
  return answer.body.sessions
}

const idOf = async (person: Person) => (await sessionsOf(person)).find(({ isCurrent }) => isCurrent)?.id ?? ""

const isSignedIn = async (person: Person) => (await person.get("/api/auth/me")).status === 200

const end = (person: Person, path = "") => person.request("DELETE", `/api/auth/sessions${path}`)

const changePassword = (person: Person, currentPassword: string, newPassword: string) =>
  person.put("/api/auth/password", { currentPassword, newPassword })

export const sessions: Subject = {
  name: "Sessions",
  document: "docs/security.md",
  promises: {
    "are listed with their device, address and times, the last used first": async (server) => {
      const first = await Person.signUp(server)
      const phone = await another(server, first, "phone")
      const laptop = await another(server, first, "laptop 💻")
      const sessions = await sessionsOf(phone)
      assert.deepStrictEqual(
        sessions.map(({ deviceName, isCurrent }) => ({ deviceName, isCurrent })),
        [
          { deviceName: "laptop 💻", isCurrent: false },
          { deviceName: "phone", isCurrent: true },
          { deviceName: null, isCurrent: false }
        ]
      )
      for (const { createdAt, expiresAt, id, lastUsedAt, address } of sessions) {
        assert.match(id, /^[0-9a-f-]{36}$/)
        assert.isAtLeast(Date.parse(lastUsedAt), Date.parse(createdAt))
        assert.isAbove(Date.parse(expiresAt), Date.now())
        assert.match(`${address}`, /^[0-9a-f.:]+$/)
      }
      assert.deepStrictEqual(
        (await sessionsOf(laptop)).map(({ id }) => id),
        sessions.map(({ id }) => id)
      )
      assert.deepStrictEqual((await sessionsOf(await Person.signUp(server))).length, 1)
    },

    "end one at a time with their streams, while the others go on": async (server) => {
      const phone = await Person.signUp(server)
      const laptop = await another(server, phone)
      const messages = `${await phone.conversationWith(await Person.signUp(server))}/messages`
      await using goesOn = await subscribe(phone, messages)
      await using ends = await subscribe(laptop, messages)
      await goesOn.snapshot()
      await ends.snapshot()

      const answer = await end(phone, `/${await idOf(laptop)}`)
      assert.strictEqual(answer.status, 204)
      assert.strictEqual(answer.text, "")
      assert.strictEqual(await isSignedIn(laptop), false)
      assert.strictEqual(await ends.next(), undefined)

      await phone.send(messages.replace("/messages", ""), "still here")
      await goesOn.appendsAfter(0, 1)
      assert.strictEqual((await sessionsOf(phone)).length, 1)
    },

    "can end themselves": async (server) => {
      const phone = await Person.signUp(server)
      assert.strictEqual((await end(phone, `/${await idOf(phone)}`)).status, 204)
      assert.strictEqual(await isSignedIn(phone), false)
    },

    "of others cannot be ended, nor found to exist": async (server) => {
      const [ada, grace] = [await Person.signUp(server), await Person.signUp(server)]
      const theirs = await end(ada, `/${await idOf(grace)}`)
      const none = await end(ada, `/${nobody}`)
      assert.strictEqual(theirs.status, 404)
      assert.strictEqual(theirs.text, none.text)
      assert.strictEqual(await isSignedIn(grace), true)
      const phone = await another(server, ada)
      const id = await idOf(phone)
      assert.strictEqual((await end(ada, `/${id}`)).status, 204)
      assert.strictEqual((await end(ada, `/${id}`)).status, 404)
      assert.strictEqual((await end(ada, "/1")).status, 422)
    },

    "all end at once except the current one": async (server) => {
      const phone = await Person.signUp(server)
      const others = await atOnce(3, () => another(server, phone))
      const stranger = await Person.signUp(server)
      assert.strictEqual((await end(phone)).status, 204)
      for (const other of others) assert.strictEqual(await isSignedIn(other), false)
      assert.strictEqual(await isSignedIn(stranger), true)
      assert.deepStrictEqual(
        (await sessionsOf(phone)).map(({ isCurrent }) => isCurrent),
        [true]
      )
    }
  }
}

const next = "another horse battery staple"

export const passwords: Subject = {
  name: "A password",
  document: "docs/security.md",
  promises: {
    "changes with the current one, and ends all other sessions": async (server) => {
      const phone = await Person.signUp(server)
      const laptop = await another(server, phone)
      const answer = await changePassword(phone, password, next)
      assert.strictEqual(answer.status, 204)
      assert.strictEqual(answer.text, "")
      assert.strictEqual(await isSignedIn(phone), true)
      assert.strictEqual(await isSignedIn(laptop), false)
      assert.strictEqual((await login(server, phone, password)).status, 401)
      assert.strictEqual((await login(server, phone, next)).status, 200)
    },

    "does not change without the current one, and ends no session": async (server) => {
      const phone = await Person.signUp(server)
      const laptop = await another(server, phone)
      const answer = await changePassword(phone, next, next)
      assert.strictEqual(answer.status, 403)
      assert.strictEqual(answer.body.type, "Forbidden")
      assert.notInclude(answer.text, next)
      assert.strictEqual(await isSignedIn(laptop), true)
      assert.strictEqual((await login(server, phone, password)).status, 200)
      for (const json of [
        { newPassword: next },
        { currentPassword: password },
        {},
        { currentPassword: "", newPassword: "" }
      ]) {
        assert.strictEqual((await phone.put("/api/auth/password", json)).status, 422)
      }
    },

    "changes once when two devices change it, and ends the session of the other": async (server) => {
      const phone = await Person.signUp(server)
      const laptop = await another(server, phone)
      const answers = await Promise.all([
        changePassword(phone, password, "the password of the phone"),
        changePassword(laptop, password, "the password of the laptop")
      ])
      const [winner, loser, won, lost] =
        answers[0].status === 204 ? [phone, laptop, "phone", "laptop"] : [laptop, phone, "laptop", "phone"]
      const refusal = answers.find(({ status }) => status !== 204)
      assert.include([401, 403], refusal?.status)
      assert.strictEqual(await isSignedIn(winner), true)
      assert.strictEqual(await isSignedIn(loser), false)
      assert.strictEqual((await login(server, phone, `the password of the ${won}`)).status, 200)
      assert.strictEqual((await login(server, phone, `the password of the ${lost}`)).status, 401)
    },

    "ends the session of a login during its change": async (server) => {
      const phone = await Person.signUp(server)
      const [changed, ...logins] = await Promise.all([
        changePassword(phone, password, next),
        ...Array.from({ length: 4 }, () => login(server, phone))
      ])
      assert.strictEqual(changed.status, 204)
      for (const { status } of logins) assert.include([200, 401], status)
      for (const { body } of logins) {
        assert.strictEqual((await new Client(server, body.token ?? "none").get("/api/auth/me")).status, 401)
      }
      assert.strictEqual((await sessionsOf(phone)).length, 1)
    }
  }
}
