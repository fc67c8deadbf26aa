import { assert, describe, it as plain, layer } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Predicate, Schema, SchemaAST } from "effect"
import { HttpApi } from "effect/http-api"
import { AccountAdmin } from "../src/accounts/AccountAdmin.ts"
import { Api } from "../src/contract/Api.ts"
import { TestServer } from "../src/testing/index.ts"
import {
  act,
  acts,
  allSent,
  emoji,
  followAll,
  makeWorld,
  ownText,
  relations,
  streams,
  tracesIn,
  type Act,
  type Acted
} from "./channelsWorld.ts"
import { call } from "./friends/caller.ts"

/*
 * Every channel by which an act of Bob's can reach Ada, with the acts that she sees there, for each relation between the two.
 * The channels are each route of the contract with an answer, and each resource that can be followed, in every encoding.
 */

type Request = readonly [method: string, path: string, body?: unknown]

interface Channel {
  /** The path that Ada requests. */
  readonly requests: (world: Acted) => ReadonlyArray<Request>
  /** The acts that she sees, separated by spaces. */
  readonly normal: string
  /** The same while she blocks him. */
  readonly block: string
  /** The same once she is not in the group of the two any longer. */
  readonly left: string
  /** The same once his account is deleted. */
  readonly deleted: string
}

const get = (path: string): Request => ["GET", path]
const messagesOf = ({ group }: Acted) => `/conversations/${group}/messages`

/** An answer that has nothing of another person's. */
const own = "own"

const channels: Readonly<Record<string, Channel | typeof own>> = {
  "presence.presence": {
    requests: () => [get("/presence")],
    normal: "typing presence person",
    block: "",
    left: "presence person",
    deleted: ""
  },
  "auth.signup": own,
  "auth.login": own,
  "auth.me": own,
  "auth.update": own,
  "auth.sessions": own,
  // Names and pictures are public.
  "people.search": {
    requests: ({ bob }) => [get(`/users?query=${bob.account.username}`), get(`/users?ids=${bob.id}`)],
    normal: "profile person",
    block: "profile person",
    left: "profile person",
    deleted: ""
  },
  "people.get": {
    requests: ({ bob }) => [get(`/users/${bob.id}`)],
    normal: "profile person",
    block: "profile person",
    left: "profile person",
    deleted: ""
  },
  "friends.list": {
    requests: () => [get("/friends")],
    normal: "profile person friendship",
    block: "",
    left: "profile person friendship",
    deleted: ""
  },
  "friends.requests": {
    requests: () => [get("/friends/requests?direction=incoming"), get("/friends/requests?direction=outgoing")],
    normal: "friendship",
    block: "",
    left: "friendship",
    deleted: ""
  },
  "friends.ask": {
    requests: ({ bob }) => [["POST", "/friends/requests", { to: bob.id }]],
    normal: "profile person",
    block: "",
    left: "profile person",
    deleted: ""
  },
  "friends.answer": {
    requests: ({ request }) => [["PUT", `/friends/requests/${request}`, { status: "accepted" }]],
    normal: "friendship",
    block: "",
    left: "friendship",
    deleted: ""
  },
  "friends.blocks": {
    requests: () => [get("/friends/blocks")],
    normal: "",
    block: "profile person",
    left: "",
    deleted: ""
  },
  // The group has the name that it has, whoever gave it. The direct conversation is with Bob.
  "conversations.list": {
    requests: () => [get("/conversations")],
    normal: "message mention receipt profile group person",
    block: "profile group person",
    left: "receipt profile person",
    deleted: "mention receipt group person"
  },
  "conversations.direct": {
    requests: ({ bob }) => [["PUT", `/conversations/direct/${bob.id}`]],
    normal: "profile person",
    block: "profile person",
    left: "profile person",
    deleted: "person"
  },
  "conversations.create": own,
  "conversations.get": {
    requests: ({ group }) => [get(`/conversations/${group}`)],
    normal: "profile group person",
    block: "profile group person",
    left: "",
    deleted: "group"
  },
  "conversations.update": {
    requests: ({ group }) => [["PATCH", `/conversations/${group}`, {}]],
    normal: "profile group person",
    block: "profile group person",
    left: "",
    deleted: "group"
  },
  "conversations.participants": {
    requests: ({ group }) => [get(`/conversations/${group}/participants`)],
    normal: "profile person",
    block: "profile person",
    left: "",
    deleted: ""
  },
  // System messages say who changed the group.
  "messages.page": {
    requests: (world) => [get(messagesOf(world)), get(`/conversations/${world.direct}/messages`)],
    normal: "message edit mention reaction receipt group person",
    block: "group person",
    left: "receipt person",
    deleted: "message edit mention reaction receipt group person"
  },
  "messages.get": {
    requests: (world) => [
      ...[world.own, world.edited, world.said].map((id) => get(`${messagesOf(world)}/${id}`)),
      get(`/conversations/${world.direct}/messages/${world.letter.id}`)
    ],
    normal: "message edit mention reaction receipt person",
    block: "",
    left: "receipt",
    deleted: "message edit mention reaction receipt person"
  },
  "messages.send": {
    requests: (world) => [["PUT", `${messagesOf(world)}/${world.own}`, { content: ownText }]],
    normal: "reaction person",
    block: "",
    left: "",
    deleted: "reaction person"
  },
  "messages.sendAll": {
    requests: (world) => [["POST", messagesOf(world), [{ id: world.own, content: ownText }]]],
    normal: "reaction person",
    block: "",
    left: "",
    deleted: "reaction person"
  },
  "messages.edit": {
    requests: (world) => [["PATCH", `${messagesOf(world)}/${world.own}`, { content: "something else" }]],
    normal: "reaction person",
    block: "",
    left: "",
    deleted: "reaction person"
  },
  "messages.history": {
    requests: (world) => [get(`${messagesOf(world)}/${world.edited}/history`)],
    normal: "edit",
    block: "",
    left: "",
    deleted: "edit"
  },
  "messages.reactors": {
    requests: (world) => [get(`${messagesOf(world)}/${world.own}/reactions/${emoji}`)],
    normal: "reaction profile person",
    block: "",
    left: "",
    deleted: "reaction person"
  },
  "search.search": {
    requests: ({ texts }) => [get(`/messages/search?q=${texts.message}`), get(`/messages/search?q=${texts.edit}`)],
    normal: "message edit mention person",
    block: "",
    left: "",
    deleted: "message edit mention person"
  },
  "inbox.inbox": {
    requests: () => [get("/inbox")],
    normal: "message mention receipt profile group person friendship",
    block: "profile group person",
    left: "receipt profile person friendship",
    deleted: "mention receipt group person"
  },
  "usage.usage": own,
  "operations.livez": own,
  "operations.readyz": own,
  "operations.metrics": own
}

const routes: Array<{ readonly name: string; readonly method: string; readonly isFollowed: boolean }> = []
HttpApi.reflect(Api, {
  onGroup: () => {},
  onEndpoint: ({ endpoint, group }) => {
    if ([...endpoint.success].every(({ ast }) => SchemaAST.isVoid(ast))) return
    const query = endpoint.query === undefined ? {} : Schema.toJsonSchemaDocument(endpoint.query).schema
    const isFollowed = Predicate.hasProperty(query["properties"], "wait")
    routes.push({ name: `${group.identifier}.${endpoint.identifier}`, method: endpoint.method, isFollowed })
  }
})

const oneOf = (text: string) => text.split(" ") as ReadonlyArray<Act>

type Relation = keyof typeof relations

/** The acts before or after a change of relations that Ada sees in a channel. */
const expected = (name: string, channel: Channel, relation: Relation, isPast: boolean): ReadonlyArray<Act> => {
  const { block, deleted, left, normal } = channel
  const isList = name === "conversations.list" || name === "inbox.inbox"
  const hidden: ReadonlyArray<string> = (() => {
    switch (relation) {
      case "disable":
        return name === "presence.presence" ? acts : []
      case "unblock":
        // A block ends friendships and requests.
        if (name === "friends.list") return acts
        return isPast && name !== "friends.answer" ? ["friendship"] : []
      case "rejoin":
        // A person who comes back is a member, and has read everything; the newest message is that they were added.
        if (name === "conversations.update") return acts
        return isPast && isList ? ["message", "mention"] : []
      default:
        return []
    }
  })()
  const seen = { block, delete: deleted, leave: left, remove: left }[relation as string] ?? normal
  return oneOf(seen).filter((item) => acts.includes(item) && !hidden.includes(item))
}

/** A person who has left is offline after 0.3 seconds. */
const quick = ConfigProvider.layer(ConfigProvider.fromUnknown({ ...process.env, PRESENCE_LEASE: "1 second" }))

const live = AccountAdmin.layer.pipe(Layer.provideMerge(TestServer.layer), Layer.provide(quick))

const read = Effect.fnUntraced(function* (world: Acted, { requests }: Channel) {
  return yield* Effect.forEach(requests(world), ([method, path, body]) =>
    Effect.map(call(world.ada, method, path, body), ({ body }) => body)
  )
})

/** Typing ends after a few seconds, so that of earlier acts may or may not be seen. */
const withoutTyping = (seen: ReadonlyArray<Act>, isPast: boolean) =>
  seen.filter((item) => !(isPast && item === "typing")).join(" ")

layer(live, { excludeTestServices: true })("Acts of another person", (it) => {
  /** Ada's view of all channels: first the answers that change nothing, then the streams, then the other answers. */
  const look = Effect.fnUntraced(function* (
    world: Acted,
    opened: Effect.Success<ReturnType<typeof followAll>>,
    relation: Relation,
    isPast: boolean
  ) {
    const seen: Record<string, string> = {}
    const shown: Record<string, string> = {}
    const note = (key: string, traces: ReadonlyArray<Act>, expectedThere: ReadonlyArray<Act>) => {
      seen[key] = withoutTyping(traces, isPast)
      shown[key] = withoutTyping(expectedThere, isPast)
    }
    const ask = Effect.fnUntraced(function* (isGet: boolean) {
      for (const [name, channel] of Object.entries(channels)) {
        const route = routes.find((route) => route.name === name)
        if (channel === own || (route?.method === "GET") !== isGet) continue
        note(name, tracesIn(world, yield* read(world, channel)), expected(name, channel, relation, isPast))
      }
    })
    yield* ask(true)
    const told: Record<string, Array<unknown>> = {}
    for (const { encoding, name, updates } of yield* allSent(world, opened)) {
      const key = `${name} ${encoding}`
      told[key] = [...(told[key] ?? []), updates]
    }
    for (const [key, updates] of Object.entries(told)) {
      const name = key.slice(0, key.indexOf(" "))
      const channel = channels[name]
      assert(channel !== undefined && channel !== own)
      const there = expected(name, channel, relation, isPast)
      // The letter that Bob reads is in another conversation than the one that is followed.
      const isElsewhere = (item: Act) => item === "receipt" || (item === "person" && !there.includes("group"))
      note(key, tracesIn(world, updates), name === "messages.page" ? there.filter((item) => !isElsewhere(item)) : there)
    }
    yield* ask(false)
    assert.deepStrictEqual(seen, shown)
  })

  for (const relation of Object.keys(relations)) {
    const change = relations[relation] ?? assert.fail()
    it.effect(`before ${relation} are seen in each channel as the table says`, () =>
      Effect.gen(function* () {
        const world = yield* act(yield* makeWorld)
        yield* change(world)
        yield* look(world, yield* followAll(world), relation, true)
      })
    )
    // Nobody acts with an account that is disabled or deleted.
    if (relation === "disable" || relation === "delete") continue
    it.effect(`after ${relation} are seen in each channel as the table says`, () =>
      Effect.gen(function* () {
        const world = yield* makeWorld
        const early = yield* followAll(world)
        yield* change(world)
        for (const { forgetSnapshot } of early) forgetSnapshot()
        const late = yield* followAll(world)
        yield* look(yield* act(world), [...early, ...late], relation, false)
      })
    )
  }

  it.effect("who is blocked change no answer, but for places in the log", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* relations["block"]!(world)
      const lookAround = Effect.gen(function* () {
        const answers: Record<string, unknown> = {}
        for (const { method, name } of routes) {
          const channel = channels[name]
          if (method !== "GET" || channel === undefined || channel === own) continue
          // Grace comes and goes, too.
          if (name === "presence.presence") continue
          answers[name] = yield* read({ ...world, request: "" }, channel)
        }
        return answers
      })
      const before = yield* lookAround
      yield* act(world, false)
      const after = yield* lookAround
      const changed = Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]))
      assert.deepStrictEqual(changed, ["messages.page", "messages.get", "messages.history"])
    })
  )
})

describe("The table of channels", () => {
  plain("has a row for each route with an answer, and no other", () => {
    assert.sameMembers(
      Object.keys(channels),
      routes.map(({ name }) => name)
    )
  })

  plain("follows each resource that can be followed", () => {
    assert.sameMembers(
      Object.keys(streams),
      routes.filter(({ isFollowed }) => isFollowed).map(({ name }) => name)
    )
  })
})
