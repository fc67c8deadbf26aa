// Follows a conversation with the reference client of Braid-HTTP, which reconnects and resumes on its own:
//
//   npm install braid-http
//   XFCHAT_MESSAGES=http://localhost:3000/api/conversations/ID/messages XFCHAT_TOKEN=... node examples/subscribe-braid.js

import { fetch } from "braid-http"

const { XFCHAT_MESSAGES: url, XFCHAT_TOKEN: token } = process.env
const show = ({ content, seq }) => console.log(seq, content)

let version
const response = await fetch(url, {
  subscribe: true,
  retry: true,
  heartbeats: 20,
  // Called for each connection.
  parents: () => version,
  headers: { authorization: `Bearer ${token}` }
})
response.subscribe((update) => {
  if (update.patches === undefined) JSON.parse(update.body_text).messages.forEach(show)
  // `.messages[-0:-0]` appends a message. `.messages[?(@.id=="…")]` replaces one that has changed. `.receipts` says how
  // far participants have read.
  else for (const patch of update.patches) if (patch.range !== ".receipts") show(JSON.parse(patch.content_text))
  version = update.version
})
