import { connect, type Socket } from "node:net"
import type { Target } from "./DatabaseUrl.ts"

/** A peer that is gone is found out about by asking it now and then. */
const keepAlive = 10_000

/**
 * The sockets of a pool, and when each has last brought something. PostgreSQL ends a statement that takes too long; but a
 * host that is down, or a network that swallows all, answers nothing at all, and TCP gives up only after many minutes.
 * Where a server cannot be reached, the next connection goes to the next one.
 */
export const makeSockets = (targets: readonly [Target, ...ReadonlyArray<Target>]) => {
  let target = targets[0]
  const sockets = new Map<Socket, { bytes: number; at: number }>()
  return {
    size: () => sockets.size,
    /** The host that the next connection goes to. */
    host: () => target.host,
    open: (): Socket => {
      const tried = target
      let isReached = false
      const socket = connect({ ...tried.connect, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAlive })
      sockets.set(socket, { bytes: 0, at: performance.now() })
      const next = () => {
        if (!isReached && target === tried) {
          target = targets[(targets.indexOf(tried) + 1) % targets.length] ?? targets[0]
        }
      }
      return socket
        .once("connect", () => void (isReached = true))
        .once("error", next)
        .once("close", () => {
          next()
          sockets.delete(socket)
        })
    },
    /** To be called often: what came since counts as having come now. */
    look: (): void => {
      for (const [{ bytesRead }, last] of sockets) {
        if (bytesRead === last.bytes) continue
        last.bytes = bytesRead
        last.at = performance.now()
      }
    },
    /** Gives up those that have brought nothing for so many milliseconds: their statements fail, new ones take their place. */
    destroySilent: (silence: number): void => {
      for (const [socket, { at }] of sockets) {
        if (performance.now() - at >= silence) socket.destroy(new Error("PostgreSQL has stopped answering"))
      }
    }
  }
}
