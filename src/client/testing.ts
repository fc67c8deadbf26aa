import type { Fetch } from "./Http.ts"
import { flagAll } from "./Log.ts"
import type {
  Account,
  Conversation,
  ConversationSummary,
  Draft,
  InboxPage,
  Message,
  MessagePage,
  NewGroup,
  Participant,
  PresencePage,
  Profile,
  Receipt,
  Signup
} from "./operations.ts"

/** A fault of one request: another response, or no answer, before (`cut`) or after (`lost`) the server carries it out. */
export type Fault = Response | "cut" | "lost"

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: unknown
}

export interface MemoryServer {
  /** The `url` for `createClient`. There is no such host. */
  readonly url: string
  /** The `fetch` for `createClient`. */
  readonly fetch: Fetch
  /** Signs up a person, whose password is `correct horse battery`. */
  readonly signUp: (username: string) => { readonly token: string; readonly user: Account }
  /** Breaks all streams, as a network does. */
  readonly cut: () => void
  /** Chooses the fault of a request, or none. */
  fault: (asked: Asked) => Fault | undefined | Promise<Fault | undefined>
}

interface Log {
  readonly conversation: Conversation
  readonly messages: Map<string, Message>
  readonly receipts: Map<string, Receipt>
  head: number
}

/** A resource as one person sees it. */
interface Resource {
  readonly version: () => string
  readonly snapshot: () => unknown
  /** The updates after a version, in order. */
  readonly since: (version: string) => ReadonlyArray<Readonly<Record<string, unknown>>>
  /** The members that belong to no version. They are sent with every update that changes them. */
  readonly aside?: () => Readonly<Record<string, unknown>>
}

const json = (value: unknown, status = 200) =>
  new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json" } })

const problem = (status: number, type: string, detail: string) =>
  new Response(JSON.stringify({ type, status, title: type, detail }), {
    status,
    headers: { "content-type": "application/problem+json" }
  })

const notFound = () => problem(404, "NotFound", "It does not exist, or you may not see it.")
const nothing = () => new Response(null, { status: 204 })

const profileOf = ({ avatarUrl, displayName, id, username }: Profile): Profile => ({
  id,
  username,
  displayName,
  avatarUrl
})

const encoder = new TextEncoder()

const isText = (content: unknown): content is string => typeof content === "string" && content.trim() !== ""

const encode = (kind: "lines" | "events", { version, ...parts }: Readonly<Record<string, unknown>>) =>
  kind === "lines"
    ? `${JSON.stringify({ version, ...parts })}\n`
    : Object.entries(parts)
        .map(
          ([event, data]) =>
            `event: ${event}\n${version === undefined ? "" : `id: ${String(version)}\n`}data: ${JSON.stringify(data)}\n\n`
        )
        .join("")

/**
 * A chat server in memory, for tests of programs that use the client. It keeps the promises of the real one for accounts, direct
 * conversations and groups, messages, receipts, the inbox and their streams. It has no limits, no friends and no search: a
 * request for anything else is answered with 501.
 */
export const memoryServer = (): MemoryServer => {
  const accounts = new Map<string, Account>()
  const passwords = new Map<string, string>()
  const tokens = new Map<string, string>()
  const logs = new Map<string, Log>()
  /** The first content of each message, by which a repeated send is recognised after an edit. */
  const drafts = new Map<string, string>()
  /** Called after each change. */
  const watchers = new Set<() => void>()
  const streams = new Set<() => void>()
  let changes = 0

  const changed = () => {
    changes += 1
    for (const watch of Array.from(watchers)) watch()
  }
  const now = () => new Date().toISOString()

  const add = ({ email, password, username }: Signup) => {
    const user: Account = {
      id: crypto.randomUUID(),
      username,
      email,
      displayName: null,
      avatarUrl: null,
      directMessagesFrom: "everyone",
      isDiscoverable: true,
      showsPresence: true,
      createdAt: now()
    }
    accounts.set(user.id, user)
    passwords.set(user.id, password)
    return signIn(user)
  }
  const signIn = (user: Account) => {
    const token = crypto.randomUUID()
    tokens.set(token, user.id)
    return { token, expiresAt: new Date(Date.now() + 30 * 86_400_000).toISOString(), user }
  }
  const named = (login: string) =>
    [...accounts.values()].find(({ email, username }) =>
      [email, username].some((name) => name?.toLowerCase() === login.toLowerCase())
    )

  const open = (userIds: ReadonlyArray<string>, group?: NewGroup): Log => {
    const participants = userIds.flatMap((id, index): ReadonlyArray<Participant> => {
      const account = accounts.get(id)
      const role = group !== undefined && index === 0 ? "owner" : "member"
      return account === undefined ? [] : [{ ...profileOf(account), role, joinedAt: now() }]
    })
    const conversation: Conversation = {
      id: crypto.randomUUID(),
      isDirectMessage: group === undefined,
      name: group?.name ?? null,
      description: group?.description ?? null,
      history: group?.history ?? "whole",
      participants,
      participantsCursor: null,
      head: 0,
      createdAt: now()
    }
    const receipts = participants.map(({ id }) => [id, { userId: id, deliveredSeq: 0, readSeq: 0 }] as const)
    const log: Log = { conversation, messages: new Map(), receipts: new Map(receipts), head: 0 }
    logs.set(conversation.id, log)
    changed()
    return log
  }
  /** A person as everybody sees them now. */
  const current = <P extends Profile>(person: P): P => {
    const account = accounts.get(person.id)
    return account === undefined ? person : { ...person, ...profileOf(account) }
  }
  const shown = ({ conversation, head }: Log): Conversation => ({
    ...conversation,
    participants: conversation.participants.map(current),
    head
  })

  const receiptsOf = ({ receipts }: Log) => [...receipts.values()]
  const messagesOf = (log: Log) => flagAll([...log.messages.values()], receiptsOf(log))

  const pageOf = (log: Log, query: URLSearchParams): MessagePage => {
    const messages = messagesOf(log)
    const limit = Number(query.get("limit") ?? 50)
    const [before, after, around] = ["before", "after", "around"].map((name) => query.get(name))
    let start = Math.max(0, messages.length - limit)
    if (before) start = messages.filter(({ seq }) => seq < Number(before)).length - limit
    if (after) start = messages.filter(({ seq }) => seq <= Number(after)).length
    if (around) start = messages.filter(({ seq }) => seq < Number(around)).length - Math.floor(limit / 2)
    const from = Math.max(0, start)
    const end = before ? start + limit : from + limit
    const page = messages.slice(from, end)
    return {
      messages: page,
      receipts: receiptsOf(log),
      before: from > 0 ? String(page[0]?.seq) : null,
      after: end < messages.length ? String(page.at(-1)?.seq) : null
    }
  }

  const conversationOf = (log: Log): Resource => ({
    version: () => String(log.head),
    snapshot: () => pageOf(log, new URLSearchParams()),
    since: (version) =>
      messagesOf(log)
        .filter((message) => message.version > Number(version))
        .sort((left, right) => left.version - right.version)
        .map((message) => ({ version: String(message.version), message })),
    aside: () => ({ receipts: receiptsOf(log) })
  })

  const summaryOf = (log: Log, userId: string): ConversationSummary => {
    const { conversation, head, receipts } = log
    const others = conversation.participants
      .filter(({ id }) => id !== userId)
      .map((person) => profileOf(current(person)))
    const messages = messagesOf(log)
    const last = messages.at(-1)
    const sender = accounts.get(last?.senderId ?? "")
    const lastReadSeq = receipts.get(userId)?.readSeq ?? 0
    return {
      id: conversation.id,
      isDirectMessage: conversation.isDirectMessage,
      name: conversation.name,
      head,
      role: conversation.participants.find(({ id }) => id === userId)?.role ?? "member",
      lastReadSeq,
      unreadCount: messages.filter(
        ({ deletedAt, senderId, seq }) => seq > lastReadSeq && senderId !== userId && deletedAt === null
      ).length,
      mentionCount: 0,
      other: conversation.isDirectMessage ? (others[0] ?? null) : null,
      participants: others.slice(0, 5),
      participantCount: conversation.participants.length,
      lastMessage:
        last === undefined
          ? null
          : {
              id: last.id,
              seq: last.seq,
              senderId: last.senderId,
              sender: sender === undefined ? null : profileOf(sender),
              subject: null,
              messageType: last.messageType,
              event: null,
              preview: typeof last.content === "string" ? last.content.slice(0, 100) : null,
              createdAt: last.createdAt,
              isDelivered: last.isDelivered,
              isRead: last.isRead
            },
      lastActivityAt: last?.createdAt ?? conversation.createdAt
    }
  }

  const seenBy = (userId: string) => [...logs.values()].filter(({ receipts }) => receipts.has(userId))

  const inboxOf = (userId: string): InboxPage => {
    const summaries = seenBy(userId)
      .map((log) => summaryOf(log, userId))
      .sort((left, right) => (left.lastActivityAt < right.lastActivityAt ? 1 : -1))
    const empty = { friends: [], requests: [], blocks: [] }
    const ends = { conversationsCursor: null, friendsCursor: null, requestsCursor: null, blocksCursor: null }
    return {
      conversationIds: summaries.map(({ id }) => id),
      conversations: Object.fromEntries(summaries.map((summary) => [summary.id, summary])),
      ...empty,
      ...ends
    }
  }

  const pageResource = (snapshot: () => unknown): Resource => ({
    version: () => String(changes),
    snapshot,
    since: (version) => (Number(version) < changes ? [{ version: String(changes), change: snapshot() }] : [])
  })

  /** The updates of a resource after a version, and a snapshot for a version that it does not know. */
  const updatesOf = (resource: Resource, after: string | null) =>
    after === null || !(Number(after) <= Number(resource.version()))
      ? [{ version: resource.version(), snapshot: resource.snapshot() }]
      : resource.since(after)

  const follow = (kind: "lines" | "events", resource: Resource, after: string | null, signal?: AbortSignal) => {
    let version = after
    let aside = ""
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const send = (text: string) => controller.enqueue(encoder.encode(text))
        const advance = () => {
          for (const update of updatesOf(resource, version)) send(encode(kind, update))
          version = resource.version()
          const next = JSON.stringify(resource.aside?.() ?? {})
          if (next !== aside && next !== "{}") send(encode(kind, resource.aside?.() ?? {}))
          aside = next
        }
        const end = () => {
          if (!watchers.delete(advance)) return
          streams.delete(end)
          controller.error(signal?.aborted === true ? signal.reason : new TypeError("terminated"))
        }
        watchers.add(advance)
        streams.add(end)
        signal?.addEventListener("abort", end)
        send(kind === "lines" ? "{}\n" : ":\n\n")
        advance()
      }
    })
    const type = kind === "lines" ? "application/x-ndjson" : "text/event-stream"
    return new Response(body, { headers: { "content-type": type } })
  }

  const poll = async (resource: Resource, after: string | null, signal?: AbortSignal) => {
    const aside = JSON.stringify(resource.aside?.())
    const hasNews = () => updatesOf(resource, after).length > 0 || JSON.stringify(resource.aside?.()) !== aside
    if (!hasNews()) {
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer)
          watchers.delete(watch)
          streams.delete(end)
          resolve()
        }
        const watch = () => {
          if (hasNews()) end()
        }
        const timer = setTimeout(end, 25_000)
        watchers.add(watch)
        streams.add(end)
        signal?.addEventListener("abort", end)
      })
      signal?.throwIfAborted()
    }
    return json({ updates: updatesOf(resource, after), version: resource.version(), ...resource.aside?.() })
  }

  /** Answers a GET of a resource in the encoding that it asks for. */
  const answer = (resource: Resource, { headers, query }: Asked, signal?: AbortSignal) => {
    const accept = headers.get("accept")
    const after = query.get("after")
    if (accept === "application/x-ndjson") return follow("lines", resource, after, signal)
    if (accept === "text/event-stream") return follow("events", resource, headers.get("last-event-id"), signal)
    return query.has("wait") ? poll(resource, after, signal) : json(resource.snapshot())
  }

  const put = (log: Log, message: Message): Message => {
    log.messages.set(message.id, message)
    changed()
    return messagesOf(log).find(({ id }) => id === message.id) ?? message
  }

  const mark = (log: Log, userId: string, { deliveredSeq = 0, readSeq = 0 }: Partial<Receipt>) => {
    const old = log.receipts.get(userId)
    if (old === undefined) return
    const read = Math.max(old.readSeq, Math.min(readSeq, log.head))
    const delivered = Math.max(old.deliveredSeq, read, Math.min(deliveredSeq, log.head))
    log.receipts.set(userId, { userId, deliveredSeq: delivered, readSeq: read })
  }

  const send = (log: Log, userId: string, id: string, draft: Draft): Response => {
    const { content, messageType = "text", replyTo = null } = draft
    const known = [...logs.values()].flatMap(({ messages }) => messages.get(id) ?? [])[0]
    if (known !== undefined) {
      const isHere = known.conversationId === log.conversation.id
      if (isHere && known.senderId !== userId) return problem(403, "Forbidden", "The message is somebody else's.")
      const isSame = known.deletedAt !== null || drafts.get(id) === JSON.stringify([content, messageType, replyTo])
      if (!isHere || !isSame) return problem(422, "MessageIdReused", "Another message has this id.")
      return json(messagesOf(log).find((message) => message.id === id))
    }
    if (messageType === "text" && !isText(content)) return problem(422, "ValidationFailed", "A text is not empty.")
    drafts.set(id, JSON.stringify([content, messageType, replyTo]))
    log.head += 1
    mark(log, userId, { readSeq: log.head })
    const message: Message = {
      id,
      conversationId: log.conversation.id,
      seq: log.head,
      version: log.head,
      senderId: userId,
      messageType,
      content,
      replyTo,
      mentions: [],
      reactions: [],
      createdAt: now(),
      editedAt: null,
      deletedAt: null,
      isDelivered: false,
      isRead: false
    }
    return json(put(log, message), 201)
  }

  const change = (log: Log, message: Message, parts: Partial<Message>) => {
    log.head += 1
    return put(log, { ...message, ...parts, version: log.head })
  }

  const react = (log: Log, message: Message, userId: string, emoji: string, isGiven: boolean) => {
    const old = message.reactions.find((reaction) => reaction.emoji === emoji)
    const userIds = (old?.userIds ?? []).filter((id) => id !== userId)
    if (isGiven === userIds.length < (old?.userIds.length ?? 0)) return
    if (isGiven) userIds.push(userId)
    const next = { emoji, count: userIds.length, userIds }
    const reactions =
      old === undefined
        ? [...message.reactions, next]
        : message.reactions.map((reaction) => (reaction === old ? next : reaction))
    change(log, message, { reactions: reactions.filter(({ count }) => count > 0) })
  }

  const inConversation = (
    log: Log,
    userId: string,
    asked: Asked,
    parts: ReadonlyArray<string>,
    signal?: AbortSignal
  ) => {
    const { body, method, query } = asked
    const [kind, id = "", , emoji] = parts
    const given = (body ?? {}) as Record<string, never>
    if (kind === undefined && method === "GET") return json(shown(log))
    if (kind === "typing") return nothing()
    if (kind === "receipt") {
      mark(log, userId, given)
      changed()
      return nothing()
    }
    if (kind !== "messages") return undefined
    if (id === "") {
      const isPage = ["limit", "before", "after", "around"].some((name) => query.has(name))
      const isStream = asked.headers.get("accept")?.match(/ndjson|event-stream/) || query.has("wait")
      return isPage && !isStream ? json(pageOf(log, query)) : answer(conversationOf(log), asked, signal)
    }
    if (method === "PUT" && emoji === undefined) return send(log, userId, id, given as unknown as Draft)
    const message = log.messages.get(id)
    if (message === undefined) return notFound()
    if (emoji !== undefined) {
      react(log, message, userId, emoji, method === "PUT")
      return nothing()
    }
    if (method === "GET") return json(messagesOf(log).find((other) => other.id === id))
    if (message.senderId !== userId) return problem(403, "Forbidden", "The message is not yours.")
    if (method === "DELETE") {
      if (message.deletedAt === null) change(log, message, { content: null, reactions: [], deletedAt: now() })
      return nothing()
    }
    if (!isText(given["content"])) return problem(422, "ValidationFailed", "A text is not empty.")
    return json(change(log, message, { content: given["content"], editedAt: now() }))
  }

  const respond = (asked: Asked, signal?: AbortSignal): Response | Promise<Response> => {
    const { body, headers, method, path, query } = asked
    const given = (body ?? {}) as Record<string, never>
    if (path === "/api/auth/signup") {
      if (named(given["username"] ?? "")) return problem(409, "UsernameTaken", "Another account has this name.")
      return json(add(given as unknown as Signup), 201)
    }
    if (path === "/api/auth/login") {
      const account = named(given["login"] ?? "")
      if (account === undefined || passwords.get(account.id) !== given["password"])
        return problem(401, "Unauthorized", "The name or the password is wrong.")
      return json(signIn(account))
    }
    const token = headers.get("authorization")?.replace("Bearer ", "") ?? ""
    const me = accounts.get(tokens.get(token) ?? "")
    if (me === undefined) return problem(401, "Unauthorized", "The session has ended.")
    const [, group, ...parts] = path.split("/").slice(1).map(decodeURIComponent)
    if (path === "/api/auth/me" && method === "GET") return json(me)
    if (path === "/api/auth/me" && method === "PATCH") {
      const { avatarUrl = me.avatarUrl, displayName = me.displayName } = given as Partial<Profile>
      const renamed = { ...me, avatarUrl, displayName }
      accounts.set(me.id, renamed)
      changed()
      return json(renamed)
    }
    if (path === "/api/auth/logout") {
      tokens.delete(token)
      return nothing()
    }
    if (group === "inbox")
      return answer(
        pageResource(() => inboxOf(me.id)),
        asked,
        signal
      )
    const nobody: PresencePage = { people: {}, typing: {} }
    if (group === "presence")
      return answer(
        pageResource(() => nobody),
        asked,
        signal
      )
    const [id = "", ...rest] = parts
    if (group === "users" && id === "" && query.has("ids")) {
      const ids = query.get("ids")?.split(",") ?? []
      return json({ users: ids.flatMap((id) => accounts.get(id) ?? []).map(profileOf) })
    }
    if (group === "users" && id !== "") {
      const account = accounts.get(id)
      return account === undefined ? notFound() : json(profileOf(account))
    }
    if (group === "conversations" && id === "direct") {
      const other = accounts.get(rest[0] ?? "")
      if (other === undefined) return notFound()
      const known = seenBy(me.id).find(
        ({ conversation, receipts }) => conversation.isDirectMessage && receipts.has(other.id)
      )
      return json(shown(known ?? open([me.id, other.id])), known === undefined ? 201 : 200)
    }
    if (group === "conversations" && id === "" && method === "POST") {
      const draft = given as unknown as NewGroup
      return json(shown(open([...new Set([me.id, ...draft.participantIds])], draft)), 201)
    }
    if (group === "conversations" && id !== "") {
      const log = logs.get(id)
      if (log === undefined || !log.receipts.has(me.id)) return notFound()
      const response = inConversation(log, me.id, asked, rest, signal)
      if (response !== undefined) return response
    }
    return problem(501, "about:blank", `The server in memory has no ${method} ${path}.`)
  }

  const server: MemoryServer = {
    url: "http://memory.test",
    fault: () => undefined,
    fetch: async (input, init) => {
      const { pathname: path, searchParams: query } = new URL(input)
      if (init.method === "POST" && path.endsWith("/messages")) {
        return problem(405, "MethodNotAllowed", "The server in memory takes one message at a time.")
      }
      const asked: Asked = {
        method: init.method ?? "GET",
        path,
        query,
        headers: new Headers(init.headers),
        body: typeof init.body === "string" ? JSON.parse(init.body) : undefined
      }
      const signal = init.signal ?? undefined
      signal?.throwIfAborted()
      const aborted = new Promise<never>((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason as Error))
      )
      aborted.catch(() => {})
      const fault = await Promise.race([server.fault(asked), aborted])
      if (fault instanceof Response) return fault
      if (fault === "cut") throw new TypeError("fetch failed")
      const response = await respond(asked, signal)
      if (fault === "lost") {
        await response.body?.cancel()
        throw new TypeError("fetch failed")
      }
      return response
    },
    signUp: (username) => {
      const { token, user } = add({ username, email: `${username}@example.com`, password: "correct horse battery" })
      return { token, user }
    },
    cut: () => {
      for (const end of Array.from(streams)) end()
    }
  }
  return server
}
