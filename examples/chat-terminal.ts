// Chats in a conversation from a terminal: shows its messages as they come, and sends each line of input.
//
//   XFCHAT_URL=http://localhost:3000 XFCHAT_TOKEN=... XFCHAT_CONVERSATION=ID \
//     npx node --conditions=xfchat-source examples/chat-terminal.ts
//
// In a project that has installed the package, leave out `--conditions`.

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
// When the input ends, some messages may still be on their way.
await Promise.all(sending)
await client.close()
