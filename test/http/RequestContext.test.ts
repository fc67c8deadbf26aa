import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import type { Context } from "effect"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { createServer } from "node:http"
import { Api } from "../../src/contract/Api.ts"
import { NotFound } from "../../src/contract/Problem.ts"
import type { Authorization } from "../../src/contract/AuthApi.ts"
import type { Limits } from "../../src/contract/LimitsApi.ts"
import type { Problems } from "../../src/contract/ProblemsApi.ts"
import { CurrentSession } from "../../src/contract/Session.ts"
import { People } from "../../src/people/People.ts"
import { ServerLive } from "../../src/Server.ts"
import { signedIn, TestServices } from "../../src/testing/index.ts"

/** The keys of a request's context. */
const seen: Array<string> = []

const Server = ServerLive.pipe(
  Layer.provideMerge(NodeHttpServer.layerServer(createServer, { host: "127.0.0.1", port: 0 })),
  Layer.provide(HttpServer.layerServices),
  Layer.provideMerge(
    Layer.merge(
      TestServices,
      Layer.mock(People, {
        get: () =>
          Effect.contextWith((context: Context.Context<never>) => {
            seen.push(...context.mapUnsafe.keys())
            return Effect.fail(new NotFound())
          })
      })
    )
  )
)

describe("A request", () => {
  it.effect("carries its session, and no services", () =>
    Effect.gen(function* () {
      const { id, token } = yield* signedIn()
      const baseUrl = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const headers = { authorization: `Bearer ${token}` }
      const response = yield* Effect.promise(() => fetch(`${baseUrl}/api/users/${id}`, { headers }))
      assert.strictEqual(response.status, 404)
      const services = [...(yield* Effect.context<People>()).mapUnsafe.keys()].filter((key) =>
        /^xfchat\/|sql/i.test(key)
      )
      assert.include(services, People.key)
      assert.include(seen, CurrentSession.key)
      assert.deepStrictEqual(
        services.filter((key) => seen.includes(key)),
        []
      )
    }).pipe(Effect.provide(Server))
  )
})

/** Whether `handlersLayer` takes a group. */
type IsTaken<Group> =
  Group extends Layer.Layer<infer _A, infer _E, infer R>
    ? [R] extends [Authorization | Limits | Problems]
      ? true
      : false
    : never

describe("A handler that needs a service while it answers", () => {
  const groupOf = <R>(get: Effect.Effect<never, NotFound, R>) =>
    HttpApiBuilder.group(Api, "people", (handlers) =>
      handlers.handleAll({ search: () => Effect.succeed({ users: [] }), get: () => get })
    )

  it("does not compile", () => {
    const needsPeople: IsTaken<ReturnType<typeof groupOf<People>>> = false
    const needsNothing: IsTaken<ReturnType<typeof groupOf<never>>> = true
    assert.deepStrictEqual([needsPeople, needsNothing], [false, true])
  })
})
