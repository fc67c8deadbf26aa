// XFChat inside a program of your own, with another route, and with another layer in place of one of XFChat's.
//
//   DATABASE_URL=postgresql://… npx node --conditions=xfchat-source examples/serve.ts
//
// In a project that has installed the package, leave out `--conditions`.

import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { SqlClient } from "effect/sql"
import { createServer } from "node:http"
import { Configuration, Database, DrainOnStop, RateLimits, RoutesLive, ServicesLive } from "xfchat"

/** A route of our own, on the same database. */
const Statistics = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const count = sql<{ users: number }>`SELECT count(*) AS users FROM users WHERE deleted_at IS NULL`
    yield* router.add(
      "GET",
      "/statistics",
      Effect.flatMap(count, ([row]) => HttpServerResponse.json(row))
    )
  })
)

/** No rate limits, because the gateway in front of this server has its own. The later layer of a merge wins. */
const Services = Layer.merge(ServicesLive, RateLimits.layerUnlimited)

const HttpServerLive = Layer.unwrap(
  Effect.map(Configuration.serverPort, (port) =>
    NodeHttpServer.layerServer(createServer, { port, gracefulShutdownTimeout: "5 seconds" })
  )
)

const Report = Layer.effectDiscard(
  HttpServer.HttpServer.use(({ address }) => Console.log(`Serving on ${HttpServer.formatAddress(address)}`))
)

// Each line uses the ones below it. The database is the last line, and is built first.
const Program = Layer.merge(Report, DrainOnStop).pipe(
  Layer.provide(HttpRouter.serve(Layer.merge(RoutesLive, Statistics), { disableLogger: true, disableListenLog: true })),
  Layer.provide([HttpServerLive, HttpServer.layerServices]),
  Layer.provide(Services),
  Layer.provide(Database.layer)
)

NodeRuntime.runMain(Layer.launch(Program))
