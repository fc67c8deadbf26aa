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

/** A bad network in front of a server. */
export interface Proxy extends AsyncDisposable {
  readonly url: string
  /** From now on, everything passes as it is. */
  readonly heal: () => void
  readonly counts: { connections: number; cuts: number; repeats: number; lostAnswers: number }
}

/**
 * A TCP proxy that does to each connection what its seed says: passes it on, delays it, cuts it after some bytes in either
 * direction and within whatever is there, loses the answer alone, or repeats what the client has sent on a connection of its own.
 */
export const badNetwork = async (port: number, seed: number): Promise<Proxy> => {
  const random = randomOf(seed)
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
    // What happens is chosen for each piece, so that streams and kept connections meet it, too.
    client.on("data", (bytes) => {
      const fate = isHealed ? 1 : random()
      if (fate < 0.06) return end("cuts")
      if (fate < 0.12) {
        // Half of a request arrives.
        upstream.end(bytes.subarray(0, Math.floor(bytes.length * random())))
        return end("cuts")
      }
      upstream.write(bytes)
      if (fate < 0.24) {
        // The request is carried out, and its answer lost.
        isLost = true
      } else if (fate < 0.36) {
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
        // In order, and later.
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
