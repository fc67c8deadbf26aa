import { Deferred, Effect, Redacted, Schedule, type Scope } from "effect"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { TLSSocket } from "node:tls"

/** Listens on a free port of 127.0.0.1 until the scope ends, and returns the port. */
export const listen = (server: Server) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      () => Effect.sync(() => server.close())
    ),
    () => (server.address() as AddressInfo).port
  )

/** A port of 127.0.0.1 on which nothing listens. */
export const freePort = Effect.scoped(listen(createServer()))

/** Whether anything listens on a port of 127.0.0.1. */
export const listens = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

/** Waits until nothing listens on a port of 127.0.0.1. */
export const closed = (port: number) =>
  Effect.repeat(listens(port), { while: (listening) => listening, schedule: Schedule.spaced("20 millis") })

/** A server that runs a function on every connection, and keeps it open. */
export const listenWith = (onConnection: (socket: Socket) => void) =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
    return yield* listen(
      createServer((socket) => {
        sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)))
        onConnection(socket)
      })
    )
  })

/** PostgreSQL's way to refuse a connection: an ErrorResponse of the wire protocol. */
export const refusal = (sqlState: string, words: string): Buffer => {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${words}\0\0`)
  const head = Buffer.alloc(5, "E")
  head.writeInt32BE(4 + fields.length, 1)
  return Buffer.concat([head, fields])
}

/** PostgreSQL's way to ask for a password: AuthenticationCleartextPassword. */
export const passwordRequest = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])

/** A network between the server and its database that can fail. */
export interface Proxy {
  /** The database's URL, through the proxy. */
  readonly url: Redacted.Redacted
  /** Makes the database unreachable: open connections break, new ones are closed at once. */
  readonly breakDown: Effect.Effect<void>
  /** Waits until a connection has failed since the last {@link breakDown}. */
  readonly triedInVain: Effect.Effect<void>
  /** Makes the database vanish silently: from now on, data is swallowed in both directions. */
  readonly fallSilent: Effect.Effect<void>
  /** Makes the database reachable again. */
  readonly recover: Effect.Effect<void>
  /** Breaks a connection as soon as it has carried this to the database: the answer is lost. */
  readonly loseAnswerTo: (statement: string) => Effect.Effect<void>
  /** Whether the answer to the last statement of {@link loseAnswerTo} is lost. */
  readonly hasLost: () => boolean
}

/** A TCP proxy in front of a database; with a certificate, it is the server's end of TLS. */
export const proxy = Effect.fn("proxy")(function* (
  database: Redacted.Redacted,
  tls?: { readonly certificate: string; readonly key: string | Buffer }
): Effect.fn.Return<Proxy, never, Scope.Scope> {
  const target = new URL(Redacted.value(database))
  const pairs = new Set<Socket>()
  let broken = false
  let silent = false
  let lost: string | undefined
  let tried = Deferred.makeUnsafe<void>()

  const join = (socket: Socket) => {
    const upstream = connect(Number(target.port || 5432), target.hostname)
    let isLost = false
    for (const end of [socket, upstream]) {
      pairs.add(end)
      end
        .on("error", () => {})
        .on("close", () => {
          socket.destroy()
          upstream.destroy()
          pairs.delete(end)
        })
    }
    socket.on("data", (bytes: Buffer) => {
      if (silent) return
      upstream.write(bytes)
      if (lost === undefined || !bytes.includes(lost)) return
      lost = undefined
      isLost = true
    })
    upstream.on("data", (bytes: Buffer) => {
      if (isLost) socket.destroy()
      else if (!silent) socket.write(bytes)
    })
  }

  const port = yield* listenWith((socket) => {
    if (broken) {
      socket.destroy()
      Deferred.doneUnsafe(tried, Effect.void)
    } else if (tls === undefined) {
      join(socket)
    } else {
      // PostgreSQL's SSLRequest, and "yes".
      socket.once("data", () => {
        socket.write("S")
        join(new TLSSocket(socket, { isServer: true, cert: tls.certificate, key: tls.key }))
      })
    }
  })
  const url = new URL(target)
  url.hostname = "127.0.0.1"
  url.port = String(port)
  return {
    url: Redacted.make(url.href),
    breakDown: Effect.sync(() => {
      broken = true
      tried = Deferred.makeUnsafe<void>()
      pairs.forEach((end) => end.destroy())
    }),
    triedInVain: Effect.suspend(() => Deferred.await(tried)),
    fallSilent: Effect.sync(() => void (silent = true)),
    recover: Effect.sync(() => {
      broken = false
      silent = false
    }),
    loseAnswerTo: (statement) => Effect.sync(() => void (lost = statement)),
    hasLost: () => lost === undefined
  }
})
