import { once } from "node:events"
import { connect as connectPlain, type Socket } from "node:net"
import { connect as connectSecure } from "node:tls"
import type { Server } from "./Server.ts"

/** A bare connection to a server, for bytes that no HTTP client would send. */
export const connect = async ({ url }: Server): Promise<Socket> => {
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, "")
  if (protocol === "https:") {
    const socket = connectSecure({ host, port: Number(port || 443), servername: host })
    await once(socket, "secureConnect")
    return socket
  }
  const socket = connectPlain({ host, port: Number(port || 80) })
  await once(socket, "connect")
  return socket
}

/** Sends bytes, ends the sending side, and returns all bytes that come until the server closes the connection. */
export const sendAndEnd = (socket: Socket, bytes: string | Uint8Array): Promise<string> =>
  new Promise((resolve) => {
    let answer = ""
    socket
      .setEncoding("latin1")
      .on("data", (text: string) => (answer += text))
      // A server may also reset the connection.
      .on("error", () => {})
      .on("close", () => resolve(answer))
      .end(bytes)
  })

/** The bytes of the head of a person's request. */
export const requestHead = (
  { url }: Server,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>
): string => {
  const { host, pathname } = new URL(url + path)
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`
}
