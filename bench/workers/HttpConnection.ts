import { connect, type Socket } from "node:net"

export interface Reply {
  readonly status: number
  readonly headers: string
  readonly body: string
}

const endOfHead = "\r\n\r\n"

const headOf = (text: string, end: number) => ({ status: Number(text.slice(9, 12)), headers: text.slice(0, end) })

/** The bytes of a request; `body` is ASCII. */
export const requestText = (
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string
): string => {
  const lines = Object.entries({
    host: "127.0.0.1",
    ...(body === undefined ? {} : { "content-type": "application/json", "content-length": String(body.length) }),
    ...headers
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`
}

const connected = (port: number) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket))
    // In latin1 a character is a byte, so lengths are right, and the markers that are searched for are ASCII.
    socket.setEncoding("latin1").once("error", reject)
  })

/** A kept-alive connection with one request in flight. It does the least that HTTP/1.1 needs, so that load costs little to make. */
export class HttpConnection {
  private received = ""
  private answer: ((reply: Reply) => void) | undefined
  private readonly socket: Socket

  static async open(port: number): Promise<HttpConnection> {
    return new HttpConnection(await connected(port))
  }

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on("data", (text: string) => {
      this.received += text
      const end = this.received.indexOf(endOfHead)
      if (end === -1) return
      const head = headOf(this.received, end)
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head.headers)?.[1] ?? 0)
      const total = end + endOfHead.length + length
      if (this.received.length < total) return
      const body = this.received.slice(end + endOfHead.length, total)
      this.received = this.received.slice(total)
      this.answer?.({ ...head, body })
    })
  }

  request(text: string): Promise<Reply> {
    return new Promise((resolve) => {
      this.answer = resolve
      this.socket.write(text)
    })
  }

  close() {
    this.socket.destroy()
  }
}

export interface OpenStream {
  readonly close: () => void
  /** Resets the connection. */
  readonly reset: () => void
}

/** A streaming response. It resolves with the head; `onText` gets the body as it arrives, still with its chunk framing. */
export const openStream = async (port: number, request: string, onText: (text: string) => void) => {
  const socket = await connected(port)
  socket.write(request)
  return new Promise<OpenStream>((resolve, reject) => {
    let received = ""
    const readHead = (text: string) => {
      received += text
      const end = received.indexOf(endOfHead)
      if (end === -1) return
      socket.off("data", readHead).on("data", onText)
      const { headers, status } = headOf(received, end)
      if (status !== 209) return reject(new Error(`${headers}${received.slice(end)}`))
      onText(received.slice(end + endOfHead.length))
      resolve({ close: () => socket.destroy(), reset: () => socket.resetAndDestroy() })
    }
    socket.on("data", readHead).once("close", () => reject(new Error("closed before the head came")))
  })
}
