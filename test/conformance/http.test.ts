import { assert, beforeAll, it } from "@effect/vitest"
import { randomBytes, randomUUID } from "node:crypto"
import { Client, password, twoPeople } from "./client.ts"
import { connect, sendAndEnd } from "./connection.ts"
import { conformance } from "./server.ts"

conformance("HTTP", (server) => {
  let pair: Awaited<ReturnType<typeof twoPeople>>
  beforeAll(async () => {
    pair = await twoPeople(server)
  })

  const login = (type: string) => {
    const body = JSON.stringify({ login: pair.ada.user.username, password })
    return new Client(server).request("POST", "/api/auth/login", { body, headers: { "content-type": type } })
  }

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "json"
  ])("a body of the media type %s is 415", async (type) => {
    const answer = await login(type)
    assert.strictEqual(answer.status, 415)
    assert.strictEqual(answer.body.type, "UnsupportedMediaType")
  })

  it("JSON may be named in any case, and with its charset", async () => {
    for (const type of ["APPLICATION/JSON", "application/json; charset=utf-8"]) {
      assert.strictEqual((await login(type)).status, 200)
    }
  })

  it("an unknown route is 404", async () => {
    const { ada } = pair
    for (const path of ["/api", "/api/nothing", "/api/auth", "/api/conversations/x/y/z/w", "/.env", "//"]) {
      const answer = await ada.get(path)
      assert.strictEqual(answer.status, 404, path)
      assert.strictEqual(answer.body.type, "NotFound")
    }
  })

  it("a method that a route does not have is 405, with those that it has", async () => {
    const { ada, messages } = pair
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
      assert.includeMembers(answer.headers.get("allow")?.split(", ") ?? [], [...allowed])
      assert.notInclude(answer.headers.get("allow")?.split(", ") ?? [], method)
    }
  })

  it("each request has an id of its own, refused or not", async () => {
    const { ada } = pair
    const paths = ["/api/auth/me", "/api/auth/me", "/api/nothing", "/api/auth/login", "/api/conversations/1"]
    const answers = await Promise.all(paths.map((path) => ada.get(path)))
    assert.deepStrictEqual(
      answers.map(({ status }) => status),
      [200, 200, 404, 405, 422]
    )
    const ids = answers.map(({ headers }) => headers.get("x-request-id"))
    assert.notInclude(ids, null)
    assert.strictEqual(new Set(ids).size, paths.length)
  })

  it("a path that is not UTF-8 is refused", async () => {
    const { ada } = pair
    for (const id of ["%", "%zz", "%ff%fe", "%c0%af"]) {
      const { status } = await ada.get(`/api/conversations/${id}`)
      assert.include([400, 404, 422], status, id)
    }
  })

  it("bytes that are not HTTP close their connection and nothing else", async () => {
    const { ada } = pair
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
  })
})
