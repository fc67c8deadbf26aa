import { assert } from "../Assert.ts"
import { each, type Subject } from "../Subject.ts"
import { Client, countStatuses, atOnce, password, Person, uniqueName, type Problem, type User } from "../Client.ts"

/** The account as its owner sees it. */
interface Account extends User {
  readonly avatarUrl: string | null
  readonly directMessagesFrom: string
  readonly isDiscoverable: boolean
  readonly showsPresence: boolean
}

const change = (person: Person, json: unknown) => person.request<Account & Problem>("PATCH", "/api/auth/me", { json })

const login = (server: { readonly url: string }, login: string) =>
  new Client(server).post("/api/auth/login", { login, password })

const names = {
  taken: [
    "Ada Lovelace 👩‍💻",
    "👨🏽‍🦰",
    "1️⃣",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "葛󠄀城",
    "علی‌رضا",
    "क्‍ष",
    "Анна (Anna)",
    "Παύλος",
    "アダ",
    "O’Brien",
    "e\u0301",
    "x".repeat(64),
    "😀".repeat(64)
  ],
  refused: [
    ["nothing", ""],
    ["white space", " "],
    ["white space at its end", "Ada\u00a0"],
    ["a line feed", "Ada\nLovelace"],
    ["a line separator", "Ada\u2028Lovelace"],
    ["65 characters", "x".repeat(65)],
    ["a NUL character", "a\u0000b"],
    ["a lone surrogate", "a\ud800b"],
    ["a mark that reverses what follows", "\u202eadA"],
    ["an isolate", "\u2066Ada\u2069"],
    ["a space without width", "Ad\u200ba"],
    ["a joiner of letters that do not join", "Ad\u200da"],
    ["a soft hyphen", "Ad\u00ada"],
    ["a byte order mark", "\ufeffAda"],
    ["a filler", "\u3164"],
    ["an empty braille cell", "\u2800"],
    ["tags", "Ada\u{e0061}\u{e007f}"],
    ["a variation of nothing", "Ada\ufe0f"],
    ["a Cyrillic letter in a Latin word", "\u0410da"],
    ["a Greek letter in a Latin word", "\u0391da"],
    ["a Latin letter in a Cyrillic word", "\u0410\u043d\u043da"]
  ]
} as const

export const profile: Subject = {
  name: "A profile",
  document: "docs/api.md",
  promises: {
    "of a new account has no name and no picture, and lets others write to it": async (server) => {
      const { body } = await (await Person.signUp(server)).get<Account>("/api/auth/me")
      assert.deepInclude(body, {
        displayName: null,
        avatarUrl: null,
        directMessagesFrom: "everyone",
        isDiscoverable: false,
        showsPresence: true
      })
    },

    "can have a name and a picture from the start": async (server) => {
      const username = uniqueName()
      const answer = await new Client(server).post<{ readonly user: Account }>("/api/auth/signup", {
        username,
        email: `${username}@example.com`,
        password,
        displayName: "Ada",
        avatarUrl: "https://example.com/ada.png"
      })
      assert.deepInclude(answer.body.user, { displayName: "Ada", avatarUrl: "https://example.com/ada.png" })
    },

    "changes the given members and nothing else": async (server) => {
      const ada = await Person.signUp(server)
      const before = (await ada.get<Account>("/api/auth/me")).body
      const changes = [
        { displayName: "Ada Lovelace" },
        { avatarUrl: "https://example.com/ada.png?size=64" },
        { directMessagesFrom: "friends" },
        { isDiscoverable: true },
        { showsPresence: false },
        { displayName: null, directMessagesFrom: "nobody", isDiscoverable: false },
        { avatarUrl: null },
        {}
      ]
      const expected = { ...before }
      for (const json of changes) {
        Object.assign(expected, json)
        const answer = await change(ada, json)
        assert.strictEqual(answer.status, 200, answer.text)
        assert.deepStrictEqual<Account>(answer.body, expected)
        assert.deepStrictEqual((await ada.get<Account>("/api/auth/me")).body, expected)
      }
    },

    "is visible to participants of the same conversation": async (server) => {
      const [ada, grace] = [await Person.signUp(server), await Person.signUp(server)]
      const conversation = await grace.conversationWith(ada)
      const username = uniqueName("Ada")
      assert.strictEqual((await change(ada, { username, displayName: "Ada Lovelace" })).status, 200)
      const { body } = await grace.get<{ readonly participants: ReadonlyArray<User> }>(conversation)
      const seen = body.participants.find(({ id }) => id === ada.id)
      assert.deepInclude(seen, { username, displayName: "Ada Lovelace" })
      for (const secret of ["email", "isDiscoverable"]) assert(!(secret in (seen ?? {})), secret)
    },

    "changes its username to a free one, and frees the former": async (server) => {
      const [ada, grace] = [await Person.signUp(server), await Person.signUp(server)]
      const former = ada.user.username
      const taken = await change(ada, { username: grace.user.username.toUpperCase() })
      assert.strictEqual(taken.status, 409)
      assert.strictEqual(taken.body.type, "UsernameTaken")

      const username = uniqueName("Lovelace")
      assert.strictEqual((await change(ada, { username })).body.username, username)
      assert.strictEqual((await change(ada, { username: username.toUpperCase() })).status, 200)
      assert.strictEqual((await login(server, username)).status, 200)
      assert.strictEqual((await login(server, former)).status, 401)
      assert.strictEqual((await change(grace, { username: former })).body.username, former)
    },

    "of twenty concurrent changes to one username, takes exactly one": async (server) => {
      const people = await atOnce(20, () => Person.signUp(server))
      const username = uniqueName("wanted")
      const answers = await Promise.all(people.map((person) => change(person, { username, displayName: "Winner" })))
      assert.deepStrictEqual(countStatuses(answers), { 200: 1, 409: 19 })
      for (const [index, { body, status }] of answers.entries()) {
        if (status === 200) continue
        assert.strictEqual(body.type, "UsernameTaken")
        assert.deepStrictEqual((await people[index]?.get<User>("/api/auth/me"))?.body, people[index]?.user)
      }
    },

    "changes its e-mail address only with the current password": async (server) => {
      const ada = await Person.signUp(server)
      const email = `${uniqueName()}@example.com`
      const without = await change(ada, { email, displayName: "Ada" })
      assert.strictEqual(without.status, 422)
      assert.deepStrictEqual(
        without.body.errors?.map(({ path }) => path),
        [["payload", "currentPassword"]]
      )
      const wrong = await change(ada, { email, displayName: "Ada", currentPassword: "not the password" })
      assert.strictEqual(wrong.status, 403)
      assert.strictEqual(wrong.body.type, "Forbidden")
      assert.deepStrictEqual((await ada.get<User>("/api/auth/me")).body, ada.user)

      const right = await change(ada, { email, currentPassword: password })
      assert.strictEqual(right.status, 200)
      assert.strictEqual(right.body.email, email)
      assert.notInclude(right.text, password)
      assert.strictEqual((await login(server, email)).status, 200)
      assert.strictEqual((await login(server, ada.user.email)).status, 401)
    },

    "refuses an e-mail address that is taken, in any case": async (server) => {
      const [ada, grace] = [await Person.signUp(server), await Person.signUp(server)]
      const answer = await change(ada, { email: grace.user.email.toUpperCase(), currentPassword: password })
      assert.strictEqual(answer.status, 409)
      assert.strictEqual(answer.body.type, "EmailTaken")
      assert.deepStrictEqual((await ada.get<User>("/api/auth/me")).body, ada.user)
    },

    "can have a name in any script": async (server) => {
      const ada = await Person.signUp(server)
      for (const displayName of names.taken) {
        const answer = await change(ada, { displayName })
        assert.strictEqual(answer.status, 200, displayName)
        assert.strictEqual(answer.body.displayName, displayName)
      }
    },

    "refuses a name that deceives or cannot be stored": each(names.refused, async (server, [, displayName]) => {
      const ada = await Person.signUp(server)
      const answer = await change(ada, { displayName })
      assert.strictEqual(answer.status, 422)
      for (const { path } of answer.body.errors ?? []) assert.deepStrictEqual(path, ["payload", "displayName"])
      assert.strictEqual((await ada.get<User>("/api/auth/me")).body.displayName, null)
    })
  }
}
