import { assert } from "../Assert.ts"
import { type Server, waitFor } from "../Server.ts"
import type { Subject } from "../Subject.ts"
import {
  atOnce,
  Client,
  countStatuses,
  nobody,
  password,
  Person,
  uniqueName,
  type Problem,
  type SignedIn,
  type User
} from "../Client.ts"

/** Waits until the server's rate limit is unused, unless the rest of it admits a number of logins with room to spare. */
const awaitRoom = async (server: Server, attempts: number) => {
  const { headers } = await new Client(server).post("/api/auth/login", { login: uniqueName(), password })
  const numberOf = (name: string) => Number(headers.get(`ratelimit-${name}`) ?? Number.NaN)
  // Without these headers, there is no limit.
  if (numberOf("remaining") < 2 * attempts) await waitFor(server, numberOf("reset"))
}

export const accounts: Subject = {
  name: "Accounts",
  document: "docs/api.md",
  promises: {
    "signing up creates an account and signs in": async (server) => {
      const username = uniqueName("Ada")
      const answer = await new Client(server).post<SignedIn>("/api/auth/signup", {
        username,
        email: `${username}@Example.com`,
        password,
        displayName: "Ada Lovelace 👩‍💻",
        deviceName: "phone"
      })
      assert.strictEqual(answer.status, 201)
      const { token, expiresAt, user } = answer.body
      assert.deepInclude(user, { username, email: `${username}@Example.com`, displayName: "Ada Lovelace 👩‍💻" })
      assert.match(user.id, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
      assert.match(user.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
      assert.isAbove(Date.parse(expiresAt), Date.now())
      assert.notInclude(answer.text, password)

      const me = await new Client(server, token).get<User>("/api/auth/me")
      assert.strictEqual(me.status, 200)
      assert.deepStrictEqual(me.body, user)
    },

    "the display name is optional, and null without one": async (server) => {
      assert.strictEqual((await Person.signUp(server)).user.displayName, null)
    },

    "people log in by username or e-mail address, in any case": async (server) => {
      const { user } = await Person.signUp(server, uniqueName("Grace"))
      const { username, email } = user
      for (const login of [username, username.toUpperCase(), email, email.toUpperCase(), email.toLowerCase()]) {
        const answer = await new Client(server).post<SignedIn>("/api/auth/login", { login, password })
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(answer.body.user, user)
        assert.strictEqual((await new Client(server, answer.body.token).get("/api/auth/me")).status, 200)
      }
    },

    "a wrong password and an unknown user get the same response": async (server) => {
      const { user } = await Person.signUp(server)
      const wrong = { login: user.username, password: "not the password" }
      const unknown = { login: uniqueName(), password }
      const unknownAddress = { login: `${uniqueName()}@example.com`, password }
      const answers = await Promise.all(
        [wrong, unknown, unknownAddress].map((login) => new Client(server).post("/api/auth/login", login))
      )
      for (const answer of answers) {
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(answer.body.type, "Unauthorized")
        assert.strictEqual(answer.text, answers[0]?.text)
        assert.strictEqual(answer.headers.get("www-authenticate"), answers[0]?.headers.get("www-authenticate"))
      }
    },

    "after five wrong passwords a login has to wait, whether the account exists or not": async (server) => {
      const { user } = await Person.signUp(server)
      const refusals = []
      for (const login of [user.username, uniqueName()]) {
        await awaitRoom(server, 6)
        const attempt = () => new Client(server).post("/api/auth/login", { login, password: "not the password" })
        for (let n = 0; n < 5; n++) assert.strictEqual((await attempt()).status, 401)
        const answer = await attempt()
        assert.strictEqual(answer.status, 429)
        assert.strictEqual(answer.body.type, "RateLimited")
        assert.strictEqual(answer.headers.get("retry-after"), "1")
        refusals.push(answer.text)
      }
      assert.strictEqual(refusals[0], refusals[1])
    },

    "a password counts to its last character, in any script": async (server) => {
      const username = uniqueName()
      const long = `${"pässwörd 🔑 ".repeat(20)}1`
      const signUp = { username, email: `${username}@example.com`, password: long }
      assert.strictEqual((await new Client(server).post("/api/auth/signup", signUp)).status, 201)
      const login = (password: string) => new Client(server).post("/api/auth/login", { login: username, password })
      assert.strictEqual((await login(long)).status, 200)
      assert.strictEqual((await login(`${long.slice(0, -1)}2`)).status, 401)
      assert.strictEqual((await login(long.toUpperCase())).status, 401)
    },

    "logging out answers 204, and ends the token": async (server) => {
      const ada = await Person.signUp(server)
      const answer = await ada.post("/api/auth/logout")
      assert.strictEqual(answer.status, 204)
      assert.strictEqual(answer.text, "")
      assert.strictEqual((await ada.get("/api/auth/me")).status, 401)
      assert.strictEqual((await ada.get(`/api/conversations/${nobody}/messages`)).status, 401)
      assert.strictEqual((await ada.post("/api/auth/logout")).status, 401)
    },

    "two sessions of one account are independent": async (server) => {
      const phone = await Person.signUp(server)
      const login = { login: phone.user.username, password }
      const { body } = await new Client(server).post<SignedIn>("/api/auth/login", login)
      const laptop = new Client(server, body.token)
      assert.notStrictEqual(laptop.token, phone.token)
      assert.strictEqual((await phone.post("/api/auth/logout")).status, 204)
      assert.strictEqual((await phone.get("/api/auth/me")).status, 401)
      assert.strictEqual((await laptop.get("/api/auth/me")).status, 200)
    },

    "a request without a valid token is asked for a Bearer token": async (server) => {
      const { token } = await Person.signUp(server)
      const authorizations = [
        {},
        { authorization: "" },
        { authorization: "Bearer" },
        { authorization: "Bearer " },
        { authorization: `Bearer ${token}x` },
        { authorization: `Bearer ${token?.toLowerCase()}` },
        { authorization: `Basic ${token}` },
        { authorization: `${token}` }
      ]
      for (const headers of authorizations) {
        const answer = await new Client(server).get("/api/auth/me", headers)
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(answer.body.type, "Unauthorized")
        assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/)
        assert.notInclude(answer.text, `${token}`)
      }
    },

    "a username and an e-mail address are taken in any case": async (server) => {
      const { user } = await Person.signUp(server, uniqueName("Hopper"))
      const signUp = (username: string, email: string) =>
        new Client(server).post<Problem>("/api/auth/signup", { username, email, password })

      const sameName = await signUp(user.username.toUpperCase(), `${uniqueName()}@example.com`)
      assert.strictEqual(sameName.status, 409)
      assert.strictEqual(sameName.body.type, "UsernameTaken")

      const sameAddress = await signUp(uniqueName(), user.email.toUpperCase())
      assert.strictEqual(sameAddress.status, 409)
      assert.strictEqual(sameAddress.body.type, "EmailTaken")
    },

    "of twenty concurrent signups with one username, exactly one succeeds": async (server) => {
      const username = uniqueName("race")
      const answers = await atOnce(20, (index) =>
        new Client(server).post("/api/auth/signup", { username, email: `${username}.${index}@example.com`, password })
      )
      assert.deepStrictEqual(countStatuses(answers), { 201: 1, 409: 19 })
      for (const { body, status } of answers) if (status === 409) assert.strictEqual(body.type, "UsernameTaken")
    },

    "of twenty concurrent signups with one e-mail address, exactly one succeeds": async (server) => {
      const email = `${uniqueName("race")}@example.com`
      const answers = await atOnce(20, () =>
        new Client(server).post("/api/auth/signup", { username: uniqueName(), email, password })
      )
      assert.deepStrictEqual(countStatuses(answers), { 201: 1, 409: 19 })
      for (const { body, status } of answers) if (status === 409) assert.strictEqual(body.type, "EmailTaken")
    }
  }
}
