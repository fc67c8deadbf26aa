// Chats in a conversation from a terminal: shows what comes, and sends each line that is written.
//
//   XFCHAT_URL=http://localhost:3000 XFCHAT_TOKEN=... XFCHAT_CONVERSATION=ID node examples/chat-terminal.ts

import process from "node:process"
import { createInterface } from "node:readline"
import { createClient, fileStorage } from "xfchat/client"

const { XFCHAT_CONVERSATION: id = "", XFCHAT_FILE: file, XFCHAT_TOKEN: token = "", XFCHAT_URL: url = "" } = process.env

// Unsent lines survive the end of this program, if it has a file for them.
const client = createClient({ url, token: () => token, storage: file === undefined ? undefined : fileStorage(file) })
const conversation = client.conversation(id)

let shown = 0
let state = ""
conversation.subscribe(() => {
  const now = conversation.getSnapshot()
  for (const { content, seq } of now.messages.filter(({ seq }) => seq > shown)) {
    console.log(`${seq} ${typeof content === "string" ? content : JSON.stringify(content)}`)
    shown = seq
  }
  if (now.state !== state) console.log(`(${(state = now.state)})`)
})

const sending: Array<Promise<unknown>> = []
for await (const line of createInterface({ input: process.stdin })) {
  const { sent } = conversation.send(line)
  sending.push(sent.catch((error: unknown) => console.log(`Refused: ${String(error)}`)))
}
// The end of the input is not the end of what is on its way.
await Promise.all(sending)
await client.close()
