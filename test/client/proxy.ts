import { connect, createServer, type AddressInfo, type Socket } from "node:net"

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
export const randomOf = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Deals cards in a random order, from a new deck after each one, so that every card comes at least once in a deck. */
const dealerOf = <Card>(deck: ReadonlyArray<Card>, random: () => number) => {
  let rest: Array<Card> = []
  return (): Card | undefined => {
    if (rest.length === 0) rest = [...deck]
    return rest.splice(Math.floor(random() * rest.length), 1)[0]
  }
}

/** The fates of the pieces that a client sends. */
const fates = [
  "cut",
  "cut within",
  ...Array.from({ length: 2 }, () => "lose the answer" as const),
  ...Array.from({ length: 2 }, () => "repeat" as const),
  ...Array.from({ length: 10 }, () => "pass" as const)
] as const

/** A bad network in front of a server. */
export interface Proxy extends AsyncDisposable {
  readonly url: string
  /** From now on, everything passes unchanged. */
  readonly heal: () => void
  readonly counts: { connections: number; cuts: number; repeats: number; lostAnswers: number }
}

/**
 * A TCP proxy that deals each piece of a connection a fate, chosen by a seed: the piece passes, comes late, is cut at any byte in
 * either direction, loses its answer, or is repeated on a connection of its own.
 */
export const badNetwork = async (port: number, seed: number): Promise<Proxy> => {
  const random = randomOf(seed)
  const deal = dealerOf(fates, random)
  const counts = { connections: 0, cuts: 0, repeats: 0, lostAnswers: 0 }
  const sockets = new Set<Socket>()
  let isHealed = false
  const keep = (socket: Socket) => {
    sockets.add(socket)
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket))
  }
  const server = createServer((client) => {
    counts.connections += 1
    const upstream = keep(connect(port, "127.0.0.1"))
    let isLost = false
    keep(client)
    client.on("close", () => upstream.destroy())
    upstream.on("close", () => client.destroy())
    const end = (kind: "cuts" | "lostAnswers") => {
      if (client.destroyed) return
      counts[kind] += 1
      client.destroy()
    }
    // Each piece has a fate of its own, so that streams and kept connections have faults too.
    client.on("data", (bytes) => {
      const fate = isHealed ? "pass" : deal()
      if (fate === "cut") return end("cuts")
      if (fate === "cut within") {
        // A part of a request arrives.
        upstream.end(bytes.subarray(0, Math.floor(bytes.length * random())))
        return end("cuts")
      }
      upstream.write(bytes)
      // The request is carried out, and its answer lost.
      if (fate === "lose the answer") isLost = true
      if (fate === "repeat") {
        counts.repeats += 1
        const again = keep(connect(port, "127.0.0.1"))
        again.on("data", () => again.destroy())
        again.write(bytes)
      }
    })
    upstream.on("data", (bytes) => {
      if (isLost) return end("lostAnswers")
      const fate = isHealed ? 1 : random()
      if (fate < 0.1) {
        client.write(bytes.subarray(0, Math.floor(bytes.length * random())))
        return end("cuts")
      }
      if (fate < 0.3) {
        // The piece comes later, but in order.
        upstream.pause()
        setTimeout(() => {
          client.write(bytes)
          upstream.resume()
        }, random() * 40)
      } else client.write(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    heal: () => {
      isHealed = true
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      sockets.forEach((socket) => socket.destroy())
    }
  }
}
