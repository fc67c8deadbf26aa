import { randomUUID } from "node:crypto"
import { assert } from "./Assert.ts"
import { assertDocumented } from "./Documented.ts"
import type { SignedIn, User } from "./People.ts"
import { ask, type Server, shorten } from "./Server.ts"

export type { SignedIn, User }

/** The body to send: `json` encoded, or `body` unchanged. */
export interface Request {
  readonly json?: unknown
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer<Body> {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** `undefined` for an empty body. */
  readonly body: Body
}

/** A problem document (RFC 9457), with the members that the documents promise. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly errors?: ReadonlyArray<{ readonly path: ReadonlyArray<string>; readonly message: string }>
}

export interface Conversation {
  readonly id: string
  readonly isDirectMessage: boolean
  readonly head: number
  readonly participants: ReadonlyArray<{ readonly id: string; readonly username: string; readonly role: string }>
}

export interface Message {
  readonly id: string
  readonly conversationId: string
  readonly seq: number
  readonly version: number
  readonly senderId: string
  readonly messageType: string
  readonly content: string
  readonly replyTo: string | null
  readonly createdAt: string
  readonly editedAt: string | null
  readonly deletedAt: string | null
  readonly isDelivered: boolean
  readonly isRead: boolean
}

export interface Page {
  readonly messages: ReadonlyArray<Message>
  readonly receipts: ReadonlyArray<{ readonly userId: string; readonly deliveredSeq: number; readonly readSeq: number }>
  readonly before: string | null
  readonly after: string | null
}

export const password = "correct horse battery staple"

/** Checks that an error, in whichever test, is a problem document without a secret. */
const assertProblem = ({ headers, status, text, body }: Answer<Problem>, secrets: ReadonlyArray<string>) => {
  assert.strictEqual(headers.get("content-type")?.split(";")[0], "application/problem+json", text)
  assert.match(body.type, /^[A-Z][A-Za-z]+$/)
  assert.notStrictEqual(body.title, "")
  assert.strictEqual(body.status, status)
  assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/)
  for (const secret of secrets) assert.notInclude(text, secret)
}

/** An HTTP client of a server; without a token, not signed in. */
export class Client {
  readonly server: Server
  readonly token: string | undefined

  constructor(server: Server, token?: string) {
    this.server = server
    this.token = token
  }

  /** The headers of authorization. */
  get authorization(): Readonly<Record<string, string>> {
    return this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }
  }

  async request<Body = Problem>(method: string, path: string, request: Request = {}): Promise<Answer<Body>> {
    const { body = "json" in request ? JSON.stringify(request.json) : null, headers = {} } = request
    const response = await ask(this.server, path, {
      method,
      body,
      headers: {
        ...this.authorization,
        ...(body === null ? {} : { "content-type": "application/json" }),
        ...headers
      },
      ...(body instanceof ReadableStream ? { duplex: "half" } : {})
    })
    const text = await response.text()
    if (text !== "") this.server.trace?.(`  ${shorten(text)}`)
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "") && text !== ""
    const answer = {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson ? JSON.parse(text) : undefined) as Body
    }
    const type = response.headers.get("content-type")
    assertDocumented(method, path, { status: answer.status, type, body: isJson ? answer.body : text })
    if (answer.status >= 400 && method !== "HEAD") {
      assertProblem(answer as Answer<Problem>, [password, ...(this.token === undefined ? [] : [this.token])])
    }
    return answer
  }

  get<Body = Problem>(path: string, headers: Readonly<Record<string, string>> = {}) {
    return this.request<Body>("GET", path, { headers })
  }

  put<Body = Problem>(path: string, json?: unknown, headers: Readonly<Record<string, string>> = {}) {
    return this.request<Body>("PUT", path, { ...(json === undefined ? {} : { json }), headers })
  }

  post<Body = Problem>(path: string, json?: unknown) {
    return this.request<Body>("POST", path, json === undefined ? {} : { json })
  }
}

/** A new name, so that one server can be tested many times. */
export const uniqueName = (name = "user") => `${name}_${randomUUID().slice(0, 13).replace("-", "")}`

const signUp = async (server: Server, username = uniqueName()): Promise<SignedIn> => {
  const email = `${username}@example.com`
  const answer = await new Client(server).post<SignedIn>("/api/auth/signup", { username, email, password })
  assert.strictEqual(answer.status, 201, answer.text)
  return answer.body
}

/** A person with an account and a session. */
export class Person extends Client {
  readonly user: User

  constructor(server: Server, { token, user }: SignedIn) {
    super(server, token)
    this.user = user
  }

  get id() {
    return this.user.id
  }

  static async signUp(server: Server, username?: string): Promise<Person> {
    return new Person(server, await signUp(server, username))
  }

  /** The path of the direct conversation with another person. */
  async conversationWith(other: Person): Promise<string> {
    const answer = await this.put<Conversation>(`/api/conversations/direct/${other.id}`)
    assert.isBelow(answer.status, 300, answer.text)
    return `/api/conversations/${answer.body.id}`
  }

  /** Sends a message, and returns it as stored. */
  async send(conversation: string, content: string, id: string = randomUUID()): Promise<Message> {
    const answer = await this.put<Message>(`${conversation}/messages/${id}`, { content })
    assert.strictEqual(answer.status, 201, answer.text)
    return answer.body
  }
}

const meet = async (ada: Person, grace: Person) => {
  const conversation = await ada.conversationWith(grace)
  return { ada, grace, conversation, messages: `${conversation}/messages` }
}

/** Two new people and the path of their conversation. */
export const twoPeople = async (server: Server) =>
  meet(...(await Promise.all([Person.signUp(server), Person.signUp(server)])))

/** Two people and the path of their new conversation. They may have others, and must be left as they are. */
export const newConversation = async (server: Server) => {
  if (server.people === undefined) return twoPeople(server)
  const [ada, grace] = await server.people.pair(() => signUp(server))
  return meet(new Person(server, ada), new Person(server, grace))
}

/** Runs something many times at once, and returns the results. */
export const atOnce = <A>(times: number, work: (index: number) => Promise<A>): Promise<ReadonlyArray<A>> =>
  Promise.all(Array.from({ length: times }, (_, index) => work(index)))

/** The number of responses by status. */
export const countStatuses = (answers: ReadonlyArray<{ readonly status: number }>) => {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

/** The UUID of all zeros. */
export const nobody = "00000000-0000-4000-8000-000000000000"
