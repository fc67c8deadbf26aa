import { assert } from "../Assert.ts"
import type { Server } from "../Server.ts"
import { each, type Subject } from "../Subject.ts"
import { randomUUID } from "node:crypto"
import { Client, nobody, password, newConversation, uniqueName, type Page, type Problem, type User } from "../Client.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

/** The members that a problem names, each once. */
const membersOf = ({ errors = [] }: Problem) => [...new Set(errors.map(({ path }) => path.join(".")))].sort()

const account = () => {
  const username = uniqueName()
  return { username, email: `${username}@example.com`, password }
}

const signUp = (server: Server, json: unknown) => new Client(server).post("/api/auth/signup", json)
const signUpRaw = (server: Server, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  new Client(server).request("POST", "/api/auth/signup", { body, headers })

export const badInput: Subject = {
  name: "Bad input",
  document: "docs/api.md",
  promises: {
    "a body that is not JSON is 400": each(
      [
        ["nothing", ""],
        ["white space", " \r\n"],
        ["a word", "hello"],
        ["an object without its end", '{"username":"ada"'],
        ["single quotes", "{'username':'ada'}"],
        ["a trailing comma", '{"username":"ada",}'],
        ["two values", '{"username":"ada"}{}'],
        ["a form", "username=ada&password=secret"],
        ["a string without its end", `{"password":"${password}`],
        ["NaN", "NaN"]
      ] as const,
      async (server, [, body]) => {
        const answer = await signUpRaw(server, body)
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(answer.body.type, "MalformedRequest")
      }
    ),

    "a body that is not UTF-8 is 400": each(
      [
        ["a byte that UTF-8 does not have", [0xff]],
        ["a character that is cut off", [0xf0, 0x9f, 0x98]],
        ["an overlong slash", [0xc0, 0xaf]],
        ["a surrogate", [0xed, 0xa0, 0x80]]
      ] as const,
      async (server, [, wrong]) => {
        const { ada, messages } = await newConversation(server)
        const body = Uint8Array.from([...bytes('{"content":"a'), ...wrong, ...bytes('b"}')])
        const answer = await ada.request("PUT", `${messages}/${randomUUID()}`, { body })
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(answer.body.type, "MalformedRequest")
        assert.deepStrictEqual((await ada.get<Page>(messages)).body.messages, [])
      }
    ),

    "a body that is not an object is 422": each(
      [["null"], ["[]"], ["[{}]"], ['"text"'], ["1"], ["true"]] as const,
      async (server, [body]) => {
        const answer = await signUpRaw(server, body)
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(answer.body.type, "ValidationFailed")
        assert.deepStrictEqual(membersOf(answer.body), ["payload"])
      }
    ),

    "each missing member is named": async (server) => {
      const answer = await signUp(server, {})
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(membersOf(answer.body), ["payload.email", "payload.password", "payload.username"])
    },

    "each member of a wrong type is named": async (server) => {
      const answer = await signUp(server, {
        username: 1,
        email: ["a@example.com"],
        password: { secret: password },
        displayName: null
      })
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(membersOf(answer.body), [
        "payload.displayName",
        "payload.email",
        "payload.password",
        "payload.username"
      ])
    },

    "each unknown member is named": async (server) => {
      const { ada, messages } = await newConversation(server)
      const answer = await ada.put(`${messages}/${randomUUID()}`, { content: "Hello", seq: 7, senderId: nobody })
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(membersOf(answer.body), ["payload.senderId", "payload.seq"])
      assert.deepStrictEqual((await ada.get<Page>(messages)).body.messages, [])
      const prototype = await signUpRaw(server, JSON.stringify(account()).replace("{", '{"__proto__":{"admin":true},'))
      assert.strictEqual(prototype.status, 422)
      assert.deepStrictEqual(membersOf(prototype.body), ["payload.__proto__"])
    },

    "a sign-up with a wrong member is 422, and names it": each(
      [
        ["username", ["", "ab", "a".repeat(31), "1abc", "_abc", "a b c", "zürich", "abc\n", "abc@def", "abc'--"]],
        ["email", ["", "ada", "@example.com", "ada@", "ada@@example.com", "a da@example.com", "ada@example..com"]],
        ["password", ["", "short", "x".repeat(1_025), "é".repeat(513)]],
        ["displayName", ["", " Ada", "Ada ", "Ada\nLovelace", "x".repeat(65)]],
        ["deviceName", ["", "x".repeat(65), "\u001b[2J"]]
      ] as const,
      async (server, [member, values]) => {
        for (const value of [...values, "a\u0000bcdefgh", "a\ud800bcdefgh", "\udc00abcdefgh", 7, true, [], {}, null]) {
          const answer = await signUp(server, { ...account(), [member]: value })
          assert.strictEqual(answer.status, 422, JSON.stringify(value))
          assert.deepStrictEqual(membersOf(answer.body), [`payload.${member}`])
        }
      }
    ),

    "a change of an account with a wrong member is 422, names it, and changes nothing": each(
      [
        ["username", ["", "ab", "a".repeat(31), "1abc", "zürich", "\u0430da", "ad\u200ba"]],
        ["email", ["", "ada", "ada@example..com", "a\u200bda@example.com", `${"x".repeat(243)}@example.com`]],
        ["displayName", ["", "Ada ", "\u202eadA", "\u0410da", "x".repeat(65)]],
        [
          "avatarUrl",
          [
            "",
            "ada.png",
            "http://example.com/ada.png",
            "javascript:alert(1)",
            "https://",
            "https://name:secret@example.com/",
            "https://example.com/\u202egnp.ada",
            `https://example.com/${"x".repeat(2_048)}`
          ]
        ],
        ["directMessagesFrom", ["", "Everyone", "somebody"]],
        ["isDiscoverable", ["true", 1, 0]],
        ["showsPresence", ["false", 1, 0]],
        ["currentPassword", ["x".repeat(1_025)]],
        ["id", [nobody]],
        ["createdAt", ["2026-01-01T00:00:00Z"]]
      ] as const,
      async (server, [member, values]) => {
        const { ada } = await newConversation(server)
        const email = `${uniqueName()}@example.com`
        for (const value of [...values, "a\u0000bcdefgh", "a\ud800bcdefgh", 7, [], {}]) {
          const json = { email, currentPassword: password, [member]: value }
          const answer = await ada.request("PATCH", "/api/auth/me", { json })
          assert.strictEqual(answer.status, 422, JSON.stringify(value))
          assert.deepStrictEqual(membersOf(answer.body), [`payload.${member}`])
          assert.deepStrictEqual((await ada.get<User>("/api/auth/me")).body, ada.user)
        }
      }
    ),

    "a change of the password with a wrong member is 422, names it, and changes nothing": each(
      [
        ["currentPassword", ["x".repeat(1_025)]],
        ["newPassword", ["", "short", "😀😀😀😀", "x".repeat(1_025), "é".repeat(513)]],
        ["token", ["x"]]
      ] as const,
      async (server, [member, values]) => {
        const { ada } = await newConversation(server)
        for (const value of [...values, "a\u0000bcdefgh", "a\ud800bcdefgh", 7, [], {}, null]) {
          const json = { currentPassword: password, newPassword: "another password", [member]: value }
          const answer = await ada.put("/api/auth/password", json)
          assert.strictEqual(answer.status, 422, JSON.stringify(value))
          assert.deepStrictEqual(membersOf(answer.body), [`payload.${member}`])
        }
        const login = { login: ada.user.username, password }
        assert.strictEqual((await new Client(server).post("/api/auth/login", login)).status, 200)
      }
    ),

    "a message without text that can be stored is 422, and nothing is stored": each(
      [
        ["no content", {}],
        ["an empty content", { content: "" }],
        ["a NUL character", { content: "a\u0000b" }],
        ["a high surrogate alone", { content: "a\ud800b" }],
        ["a low surrogate alone", { content: "\udc00" }],
        ["a pair in the wrong order", { content: "\ude00\ud83d" }],
        ["a number", { content: 1 }],
        ["null", { content: null }],
        ["a list", { content: ["Hello"] }]
      ] as const,
      async (server, [, json]) => {
        const { ada, messages } = await newConversation(server)
        const answer = await ada.put(`${messages}/${randomUUID()}`, json)
        assert.strictEqual(answer.status, 422)
        assert.deepStrictEqual(membersOf(answer.body), ["payload.content"])
        assert.deepStrictEqual((await ada.get<Page>(messages)).body.messages, [])
      }
    ),

    "a message of an unknown type is 422": each(
      ["system", "", "TEXT", 1, null] as const,
      async (server, messageType) => {
        const { ada, messages } = await newConversation(server)
        const answer = await ada.put(`${messages}/${randomUUID()}`, { content: "Hello", messageType })
        assert.strictEqual(answer.status, 422)
        assert.deepStrictEqual(membersOf(answer.body), ["payload.messageType"])
      }
    ),

    "`isTyping` is a boolean, and all else is 422": each(
      ["true", 1, null, [], {}] as const,
      async (server, isTyping) => {
        const { ada, conversation } = await newConversation(server)
        const answer = await ada.post(`${conversation}/typing`, { isTyping })
        assert.strictEqual(answer.status, 422)
        assert.deepStrictEqual(membersOf(answer.body), ["payload.isTyping"])
      }
    ),

    "an invalid wait for presence is 422": each(
      ["wait=0s", "wait=61s", "wait=20", "wait="] as const,
      async (server, query) => {
        const pair = await newConversation(server)
        const answer = await pair.ada.get(`/api/presence?${query}`)
        assert.strictEqual(answer.status, 422)
        assert.deepStrictEqual(membersOf(answer.body), ["query.wait"])
      }
    ),

    "a login that no account can have is refused, whatever its characters": async (server) => {
      for (const login of ["' OR 1=1 --", "x".repeat(254), "%", "😀"]) {
        assert.strictEqual((await new Client(server).post("/api/auth/login", { login, password })).status, 401)
      }
      for (const login of ["a\u0000b", "a\ud800b", "x".repeat(255), 1, null]) {
        const answer = await new Client(server).post("/api/auth/login", { login, password })
        assert.strictEqual(answer.status, 422)
        assert.deepStrictEqual(membersOf(answer.body), ["payload.login"])
      }
    },

    "an id that is not a UUID is 422, and named": async (server) => {
      const { ada, conversation, messages } = await newConversation(server)
      for (const id of [
        "1",
        "abc",
        nobody.slice(1),
        `${nobody}0`,
        `{${nobody}}`,
        nobody.replaceAll("-", ""),
        "%00",
        "%F0%9F%98%80"
      ]) {
        const asked: ReadonlyArray<readonly [Promise<{ status: number; body: Problem }>, string]> = [
          [ada.put(`/api/conversations/direct/${id}`), "params.userId"],
          [ada.get(`/api/conversations/${id}`), "params.id"],
          [ada.get(`/api/conversations/${id}/messages`, { subscribe: "true" }), "params.id"],
          [ada.get(`${messages}/${id}`), "params.messageId"],
          [ada.post(`/api/conversations/${id}/typing`, {}), "params.id"],
          [ada.put(`${conversation}/messages/${id}`, { content: "Hello" }), "params.messageId"]
        ]
        for (const [answer, member] of asked) {
          const { body, status } = await answer
          assert.strictEqual(status, 422, `${member}: ${id}`)
          assert.deepStrictEqual(membersOf(body), [member])
        }
      }
    },

    "a wrong parameter of a page is 422, and is named": each(
      [
        ["limit", ["0", "201", "-1", "1.5", "abc", "", "1e2x", "99999999999999999999"]],
        ["before", ["-1", "1.5", "abc", "", "99999999999999999999"]],
        ["after", ["-1", "abc", ""]]
      ] as const,
      async (server, [member, values]) => {
        const { ada, messages } = await newConversation(server)
        for (const value of values) {
          const answer = await ada.get(`${messages}?${member}=${value}`)
          assert.strictEqual(answer.status, 422, `${member}=${value}`)
          assert.deepStrictEqual(membersOf(answer.body), [`query.${member}`])
        }
      }
    ),

    "deep nesting is refused like any other wrong value": async (server) => {
      const deep = "[".repeat(200_000) + "]".repeat(200_000)
      const objects = '{"a":'.repeat(50_000) + "1" + "}".repeat(50_000)
      for (const value of [deep, objects]) {
        // Longer than any login.
        assert.strictEqual((await signUpRaw(server, value)).status, 413)
        const { ada, messages } = await newConversation(server)
        const path = `${messages}/${randomUUID()}`
        for (const body of [`{"content":${value}}`, `{"content":"Hello","more":${value}}`]) {
          const answer = await ada.request("PUT", path, { body })
          assert.strictEqual(answer.status, 422)
          assert.isBelow(answer.text.length, 10_000)
        }
      }
    },

    "a body of ten megabytes is 413, with and without Content-Length": async (server) => {
      const { ada, messages } = await newConversation(server)
      const path = `${messages}/${randomUUID()}`
      const body = bytes(JSON.stringify({ content: "x".repeat(10_000_000) }))
      const told = await ada.request("PUT", path, { body })
      assert.strictEqual(told.status, 413)
      assert.strictEqual(told.body.type, "PayloadTooLarge")
      const untold = await ada.request("PUT", path, { body: new Blob([body]).stream() })
      assert.strictEqual(untold.status, 413)
      assert.strictEqual((await ada.get(path)).status, 404)
    },

    "a secret never comes back, wherever it was sent": async (server) => {
      const { username, email } = account()
      const { ada, messages } = await newConversation(server)
      const answers = [
        await signUp(server, { username, email, password: [password] }),
        await signUp(server, { username, email, password: { password } }),
        await signUp(server, { username, email, password: `${password}\u0000` }),
        await signUp(server, { username, email, password: password.repeat(100) }),
        await signUp(server, { username, email, password, passwordAgain: password }),
        await signUp(server, { username: password, email: password, password: 1, displayName: `\n${password}` }),
        await signUp(server, [password]),
        await signUp(server, password),
        await signUpRaw(server, `{"password":"${password}"`),
        await new Client(server).post("/api/auth/login", { login: password, password: [password] }),
        await ada.put("/api/auth/password", { currentPassword: password, newPassword: [password] }),
        await ada.put("/api/auth/password", { currentPassword: `${password}?`, newPassword: password }),
        await ada.request("PATCH", "/api/auth/me", { json: { email: password, currentPassword: password } }),
        await ada.request("PATCH", "/api/auth/me", { json: { email: "ada@example.com", currentPassword: [password] } }),
        await ada.request("DELETE", "/api/auth/me", { json: { currentPassword: `${password}\u0000` } }),
        await ada.request("DELETE", `/api/auth/sessions/${ada.token}`),
        await ada.get(messages, { version: `${ada.token}` }),
        await ada.get(messages, { subscribe: "true", parents: `${ada.token}` }),
        await ada.get(messages, { subscribe: "true", heartbeats: `${ada.token}` }),
        await ada.get(`${messages}/${ada.token}`),
        await ada.get(`${messages}?limit=${ada.token}&token=${ada.token}`)
      ]
      for (const { status, text } of answers) {
        assert.isAtLeast(status, 400)
        assert.notInclude(text, password)
        assert.notInclude(text, `${ada.token}`)
      }
    }
  }
}
