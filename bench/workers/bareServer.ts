import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { serve } from "./serve.ts"

let frame = Buffer.alloc(0)
/** The answer to each GET, given at once. */
let greeting = Buffer.from("\r\n")
const listeners = new Set<ServerResponse>()

// The least that a Node server can do: it holds each GET open, and answers a PUT and writes it to all open responses.
const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.writeHead(209, { "content-type": "application/http-history" })
    response.write(greeting)
    listeners.add(response)
    response.on("close", () => listeners.delete(response))
    return
  }
  let body = ""
  request.setEncoding("utf8").on("data", (text: string) => (body += text))
  request.on("end", () => {
    const { content } = JSON.parse(body) as { readonly content: string }
    // As long as the content that it replaces.
    frame.write(content, frame.indexOf("fan-out "))
    const bytes = Buffer.from(frame)
    for (const listener of listeners) listener.write(bytes)
    response.writeHead(201, { "content-length": "0" }).end()
  })
})

const commands = {
  listen: (text: string) =>
    new Promise<number>((resolve) => {
      frame = Buffer.from(text, "latin1")
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
    }),

  /** Answers each GET from now on with these bytes. */
  greet: async (text: string) => {
    greeting = Buffer.from(text, "latin1")
  },

  /** Returns unused memory to the system. */
  collectGarbage: async () => {
    globalThis.gc!()
  }
}
export type BareServer = typeof commands

serve(commands)
