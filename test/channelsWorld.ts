import { assert } from "@effect/vitest"
import { Effect, Predicate, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { AccountAdmin } from "../src/accounts/AccountAdmin.ts"
import { Sessions } from "../src/auth/Sessions.ts"
import { signedIn, testPassword, TestServer, type TestUser } from "../src/testing/index.ts"
import { call } from "./friends/caller.ts"
import { told as toldOfInbox } from "./inbox/subscriber.ts"
import { encodings, Refused, told as toldOfLog, type Encoding, type Source } from "../src/conformance/Subscriber.ts"
import { told as toldOfPresence } from "./presence/subscriber.ts"

/** Each act of a person that can reach another one. */
export const acts = [
  "message",
  "edit",
  "mention",
  "reaction",
  "receipt",
  "typing",
  "presence",
  "profile",
  "group",
  "person",
  "friendship"
] as const
export type Act = (typeof acts)[number]

/** Bob's reaction, and the message that he reacts to. */
const owl = "🦉"
export const emoji = encodeURIComponent(owl)
export const ownText = "something to react to"

/** Sends a request that has to succeed. */
const done = Effect.fnUntraced(function* (...[user, method, path, json]: Parameters<typeof call>) {
  const { body, status } = yield* call(user, method, path, json)
  assert.include([200, 201, 204], status, `${method} ${path}: ${JSON.stringify(body)}`)
  return body as { readonly id: string; readonly seq: number }
})

const write = (user: Pick<TestUser, "token">, conversation: string, content: string) =>
  done(user, "PUT", `/conversations/${conversation}/messages/${randomUUID()}`, { content })

/**
 * Ada, who looks; Bob and Rob, who act; Grace, who owns the group of Ada's and Bob's; and Tim, who shares another group with
 * Ada. Ada has a direct conversation with Bob, and has asked him to be friends.
 */
export const makeWorld = Effect.gen(function* () {
  const [ada, bob, rob, grace, tim] = yield* Effect.all([signedIn(), signedIn(), signedIn(), signedIn(), signedIn()])
  const { id: direct } = yield* done(ada, "PUT", `/conversations/direct/${bob.id}`)
  const { id: group } = yield* done(grace, "POST", "/conversations", { participantIds: [ada.id, bob.id] })
  for (const { id } of [ada, bob]) {
    yield* done(grace, "PUT", `/conversations/${group}/participants/${id}`, { role: "admin" })
  }
  const { id: apart } = yield* done(tim, "POST", "/conversations", { participantIds: [ada.id] })
  yield* done(ada, "POST", "/friends/requests", { to: bob.id })
  const own = yield* write(ada, group, ownText)
  const letter = yield* write(ada, direct, "something to read")
  const token = randomUUID().slice(0, 8)
  return {
    ada,
    bob,
    rob,
    grace,
    tim,
    direct,
    group,
    apart,
    own: own.id,
    letter,
    /** Bob's messages: the first one is edited. */
    edited: randomUUID(),
    said: randomUUID(),
    texts: {
      message: `said${token}`,
      before: `before${token}`,
      edit: `edited${token}`,
      profile: `Bob ${token}`,
      group: `Group ${token}`
    }
  }
})
export type World = Effect.Success<typeof makeWorld>

/** Waits until Grace sees something of Bob in her presence. */
const untilGraceSees = Effect.fnUntraced(function* ({ bob, grace, group }: World, isOnline: boolean) {
  const { baseUrl, fetch } = yield* TestServer
  const source = { fetch, url: `${baseUrl}/api/presence`, token: grace.token }
  const abort = new AbortController()
  yield* Effect.promise(async () => {
    const updates = toldOfPresence(source, "lines", undefined, abort.signal)
    let [status, typists]: [string | undefined, ReadonlyArray<string>] = ["offline", []]
    do {
      const { done, value } = await updates.next()
      assert(done !== true, "the stream ended")
      const picture = value.snapshot ?? value.change
      status = picture?.people[bob.id]?.status ?? status
      typists = picture?.typing[group] ?? typists
    } while (isOnline ? status !== "online" : status === "online" || typists.includes(bob.id))
    abort.abort()
  })
})

/** Opens a stream of Bob's until the scope closes: he is online then, as Grace sees. */
const arrive = Effect.fnUntraced(function* (world: World) {
  const { baseUrl, fetch } = yield* TestServer
  const abort = new AbortController()
  yield* Effect.addFinalizer(() => Effect.sync(() => abort.abort()))
  const source = { fetch, url: `${baseUrl}/api/inbox`, token: world.bob.token }
  const updates = toldOfInbox(source, "lines", undefined, abort.signal)
  const drain = async (): Promise<void> => {
    for (let isOver = false; !isOver;) isOver = (await updates.next().catch(() => ({ done: true }))).done === true
  }
  void drain()
  yield* untilGraceSees(world, true)
})

/** All that Bob and Rob can do. The public part of it, a new name of his and of the group, can be left out. */
export const act = Effect.fnUntraced(function* (world: World, withPublic = true) {
  const { ada, bob, direct, edited, group, letter, own, rob, said, texts } = world
  const messages = `/conversations/${group}/messages`
  yield* arrive(world)
  if (withPublic) {
    yield* done(bob, "PATCH", "/auth/me", { displayName: texts.profile })
    yield* done(bob, "PATCH", `/conversations/${group}`, { name: texts.group })
  }
  const { body } = yield* call(bob, "GET", "/friends/requests?direction=incoming")
  for (const request of (body as { readonly requests: ReadonlyArray<{ readonly id: string }> }).requests) {
    yield* done(bob, "PUT", `/friends/requests/${request.id}`, { status: "accepted" })
  }
  const request = yield* done(rob, "POST", "/friends/requests", { to: ada.id })
  yield* done(bob, "PUT", `/conversations/${direct}/receipt`, { readSeq: letter.seq })
  yield* done(bob, "PUT", `${messages}/${edited}`, { content: texts.before })
  yield* done(bob, "PATCH", `${messages}/${edited}`, { content: texts.edit })
  yield* done(bob, "PUT", `${messages}/${own}/reactions/${emoji}`)
  yield* done(bob, "PUT", `${messages}/${said}`, { content: `${texts.message} @${ada.account.username}` })
  yield* done(bob, "POST", `/conversations/${group}/typing`)
  return { ...world, request: request.id }
})

export type Acted = Effect.Success<ReturnType<typeof act>>

/** All objects in a JSON value, at any depth. */
const objectsIn = (value: unknown): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  if (Array.isArray(value)) return value.flatMap(objectsIn)
  if (!Predicate.isObject(value)) return []
  const object = value as Readonly<Record<string, unknown>>
  return [object, ...Object.values(object).flatMap(objectsIn)]
}

const isPerson = (value: unknown, id: string) => Predicate.hasProperty(value, "id") && value.id === id

/** The acts of which an answer, or what a stream sent, has a trace. */
export const tracesIn = ({ ada, bob, letter, rob, texts }: World, answer: unknown): ReadonlyArray<Act> => {
  const text = JSON.stringify(answer) ?? ""
  const objects = objectsIn(answer)
  const has = (test: (object: Readonly<Record<string, unknown>>) => boolean) => objects.some(test)
  const found: Record<Act, boolean> = {
    message: text.includes(texts.message),
    edit: text.includes(texts.edit) || text.includes(texts.before),
    mention: has(
      ({ mentionCount, mentions }) =>
        (Array.isArray(mentions) && mentions.includes(ada.id)) || (typeof mentionCount === "number" && mentionCount > 0)
    ),
    reaction: text.includes(owl) || has(({ id, reactedAt }) => id === bob.id && reactedAt !== undefined),
    receipt: has(({ id, isRead }) => id === letter.id && isRead === true),
    typing: has(({ typing }) => Predicate.isObject(typing) && JSON.stringify(typing).includes(bob.id)),
    presence: has(
      ({ people }) => Predicate.isObject(people) && JSON.stringify(people).includes(`"${bob.id}":{"status":"online"}`)
    ),
    profile: text.includes(texts.profile),
    group: text.includes(texts.group),
    person: text.includes(bob.id),
    friendship: has(
      ({ direction, friends, user }) =>
        (Array.isArray(friends) && friends.some((friend) => isPerson(friend, bob.id))) ||
        (direction === "incoming" && isPerson(user, rob.id))
    )
  }
  return acts.filter((act) => found[act])
}

/** How a relation of the two changes, or their accounts. */
export const relations: Readonly<
  Record<string, (world: World) => Effect.Effect<unknown, never, TestServer | AccountAdmin>>
> = {
  none: () => Effect.void,
  block: (world) => block(world),
  unblock: (world) =>
    Effect.andThen(
      block(world),
      Effect.forEach([world.bob, world.rob], ({ id }) => done(world.ada, "DELETE", `/friends/blocks/${id}`))
    ),
  leave: ({ ada, group }) => done(ada, "DELETE", `/conversations/${group}/participants/${ada.id}`),
  remove: ({ ada, grace, group }) => done(grace, "DELETE", `/conversations/${group}/participants/${ada.id}`),
  rejoin: ({ ada, grace, group }) =>
    Effect.andThen(
      done(grace, "DELETE", `/conversations/${group}/participants/${ada.id}`),
      done(grace, "PUT", `/conversations/${group}/participants/${ada.id}`)
    ),
  disable: (world) =>
    Effect.flatMap(AccountAdmin, (accounts) =>
      Effect.forEach([world.bob, world.rob], ({ account }) => Effect.orDie(accounts.disable(account.username)))
    ).pipe(Effect.andThen(untilGraceSees(world, false))),
  delete: ({ bob, rob }) =>
    Effect.forEach([bob, rob], (user) =>
      done(user, "DELETE", "/auth/me", { currentPassword: Redacted.value(testPassword) })
    )
}

const block = ({ ada, bob, rob }: World) =>
  Effect.forEach([bob, rob], ({ id }) => done(ada, "PUT", `/friends/blocks/${id}`))

/** The resources that can be followed. */
export const streams: Readonly<
  Record<
    string,
    {
      readonly path: (world: World) => string
      readonly told: (
        source: Source,
        encoding: Encoding,
        from?: string,
        signal?: AbortSignal
      ) => AsyncGenerator<unknown>
    }
  >
> = {
  "messages.page": { path: ({ group }) => `/conversations/${group}/messages`, told: toldOfLog },
  "inbox.inbox": { path: () => "/inbox", told: toldOfInbox },
  "presence.presence": { path: () => "/presence", told: toldOfPresence }
}

const isSentinel = ({ apart }: World, update: unknown) =>
  JSON.stringify(update).includes("sentinel") ||
  objectsIn(update).some(({ typing }) => Predicate.isObject(typing) && Object.hasOwn(typing, apart))

/** Follows a resource as Ada. Returns the first state, and all output up to the sentinel or the end. */
export const follow = Effect.fnUntraced(function* (world: World, name: keyof typeof streams, encoding: Encoding) {
  const { baseUrl, fetch } = yield* TestServer
  const sessions = yield* Sessions
  const { token } = yield* sessions.open(world.ada.id, { name: undefined, address: undefined })
  const { path, told } = streams[name] ?? assert.fail()
  const source: Source = { fetch, url: `${baseUrl}/api${path(world)}`, token: Redacted.value(token) }
  const abort = new AbortController()
  const updates = told(source, encoding, undefined, abort.signal)
  const snapshot: Array<unknown> = []
  const sent: Array<unknown> = []
  const next = async (): Promise<boolean> => {
    try {
      const { done, value } = await updates.next()
      // The receipts in the first answer to a long poll are as old as its snapshot.
      const isOld = isFirst || (encoding === "poll" && sent.length === 0 && Predicate.hasProperty(value, "receipts"))
      if (done !== true) (isOld ? snapshot : sent).push(value)
      return done !== true && !isSentinel(world, value)
    } catch (error) {
      if (error instanceof Refused) return false
      throw error
    }
  }
  let isForgotten = false
  let isFirst = true
  let isOpen = yield* Effect.promise(next)
  isFirst = false
  yield* Effect.addFinalizer(() => Effect.sync(() => abort.abort()))
  const rest = Effect.promise(async () => {
    while (isOpen) isOpen = await next()
    return isForgotten ? sent : [...snapshot, ...sent]
  })
  return { name, encoding, forgetSnapshot: () => void (isForgotten = true), rest }
})

/** Follows every resource in every encoding. */
export const followAll = (world: World) =>
  Effect.forEach(
    Object.keys(streams).flatMap((name) => encodings.map((encoding) => [name, encoding] as const)),
    ([name, encoding]) => follow(world, name, encoding)
  )

/** The output of streams, up to an update that reaches each of them after all earlier ones. */
export const allSent = Effect.fnUntraced(function* (
  world: World,
  opened: ReadonlyArray<Effect.Success<ReturnType<typeof follow>>>
) {
  const { apart, grace, group, tim } = world
  yield* write(tim, apart, "sentinel")
  yield* done(tim, "POST", `/conversations/${apart}/typing`)
  const sent: Array<{ readonly name: string; readonly encoding: Encoding; readonly updates: ReadonlyArray<unknown> }> =
    []
  // An item of an inbox has the last message only: Bob's, until all inboxes were read.
  for (const isLog of [false, true]) {
    if (isLog) yield* write(grace, group, "sentinel")
    for (const { encoding, name, rest } of opened) {
      if (isLog === (name === "messages.page")) sent.push({ name, encoding, updates: yield* rest })
    }
  }
  return sent
})
