import { connect, type Socket } from "node:net"
import type { Target } from "./DatabaseUrl.ts"

/** The time between keep-alive probes, which detect a peer that is gone. */
const keepAlive = 10_000

/**
 * The sockets of a pool, and the time at which each last received something. PostgreSQL ends a statement that takes too long,
 * but a host that is down, or a network that drops everything, does not answer, and TCP gives up only after many minutes. If
 * a server cannot be reached, the next connection goes to the next one.
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
    /** Notes which sockets have received something. Call it often: the time of the call counts as the time of arrival. */
    look: (): void => {
      for (const [{ bytesRead }, last] of sockets) {
        if (bytesRead === last.bytes) continue
        last.bytes = bytesRead
        last.at = performance.now()
      }
    },
    /** Destroys sockets that have received nothing for this many milliseconds. Their statements fail, and others replace them. */
    destroySilent: (silence: number): void => {
      for (const [socket, { at }] of sockets) {
        if (performance.now() - at >= silence) socket.destroy(new Error("PostgreSQL has stopped answering"))
      }
    }
  }
}
