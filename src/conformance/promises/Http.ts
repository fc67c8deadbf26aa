import { assert } from "../Assert.ts"
import type { Server } from "../Server.ts"
import { each, type Subject } from "../Subject.ts"
import { randomBytes, randomUUID } from "node:crypto"
import { Client, password, newConversation } from "../Client.ts"
import { connect, sendAndEnd } from "../Connection.ts"

const login = async (server: Server, type: string) => {
  const { ada } = await newConversation(server)
  const body = JSON.stringify({ login: ada.user.username, password })
  return new Client(server).request("POST", "/api/auth/login", { body, headers: { "content-type": type } })
}

export const http: Subject = {
  name: "HTTP",
  document: "docs/api.md",
  promises: {
    "a body of another media type is 415": each(
      [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json"
      ] as const,
      async (server, type) => {
        const answer = await login(server, type)
        assert.strictEqual(answer.status, 415)
        assert.strictEqual(answer.body.type, "UnsupportedMediaType")
      }
    ),

    "JSON may be named in any case, and with its charset": async (server) => {
      for (const type of ["APPLICATION/JSON", "application/json; charset=utf-8"]) {
        assert.strictEqual((await login(server, type)).status, 200)
      }
    },

    "an unknown route is 404": async (server) => {
      const { ada } = await newConversation(server)
      for (const path of ["/api", "/api/nothing", "/api/auth", "/api/conversations/x/y/z/w", "/.env", "//"]) {
        const answer = await ada.get(path)
        assert.strictEqual(answer.status, 404, path)
        assert.strictEqual(answer.body.type, "NotFound")
      }
    },

    "a method that a route does not have is 405, with those that it has": async (server) => {
      const { ada, messages } = await newConversation(server)
      const wrong: ReadonlyArray<readonly [string, string, ReadonlyArray<string>]> = [
        ["DELETE", "/api/auth/login", ["POST"]],
        ["GET", "/api/auth/signup", ["POST"]],
        ["POST", "/api/auth/me", ["GET"]],
        ["DELETE", messages, ["GET"]],
        ["POST", `${messages}/${randomUUID()}`, ["GET", "PUT"]]
      ]
      for (const [method, path, allowed] of wrong) {
        const answer = await ada.request(method, path)
        assert.strictEqual(answer.status, 405, `${method} ${path}`)
        assert.strictEqual(answer.body.type, "MethodNotAllowed")
        const given = answer.headers.get("allow")?.split(", ") ?? []
        assert.includeMembers(given, allowed)
        assert(!given.includes(method), `${method} ${path}`)
      }
    },

    "each request has an id of its own, refused or not": async (server) => {
      const { ada } = await newConversation(server)
      const paths = ["/api/auth/me", "/api/auth/me", "/api/nothing", "/api/auth/login", "/api/conversations/1"]
      const answers = await Promise.all(paths.map((path) => ada.get(path)))
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [200, 200, 404, 405, 422]
      )
      const ids = answers.map(({ headers }) => headers.get("x-request-id"))
      assert(!ids.includes(null))
      assert.strictEqual(new Set(ids).size, paths.length)
    },

    "a path that is not UTF-8 is refused": async (server) => {
      const { ada } = await newConversation(server)
      for (const id of ["%", "%zz", "%ff%fe", "%c0%af"]) {
        const { status } = await ada.get(`/api/conversations/${id}`)
        assert.include([400, 404, 422], status, id)
      }
    },

    "bytes that are not HTTP close their connection and nothing else": async (server) => {
      const { ada } = await newConversation(server)
      const garbage = [
        randomBytes(2_000),
        "\u0000\u0000\u0000",
        "hello\r\n\r\n",
        "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
        "GET /api/auth/me HTTP/1.1\r\nhost: x\r\nno colon here\r\n\r\n",
        "GET /api/auth/me HTTP/9.9\r\nhost: x\r\n\r\n",
        `GET /${"a".repeat(200_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
        "PUT /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        "PUT /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
      ]
      for (const text of garbage) {
        const answer = await sendAndEnd(await connect(server), text)
        assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/)
        assert.strictEqual((await ada.get("/api/auth/me")).status, 200)
      }
    }
  }
}
