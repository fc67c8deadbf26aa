// Follows a conversation as server-sent events:
//
//   XFCHAT_MESSAGES=http://localhost:3000/api/conversations/ID/messages XFCHAT_TOKEN=... \
//     deno run --allow-net --allow-env examples/subscribe-deno.js

const url = Deno.env.get("XFCHAT_MESSAGES")
const token = Deno.env.get("XFCHAT_TOKEN")

const show = ({ content, seq }) => console.log(seq, content)
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))

/** The events of a response. Each ends with an empty line. A line that begins with a colon is a heartbeat. */
async function* eventsOf(body) {
  let rest = ""
  let event = {}
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n")
    rest = lines.pop()
    for (const line of lines) {
      if (line === "") {
        yield event
        event = {}
      } else if (!line.startsWith(":")) {
        const [field, value] = line.split(/: (.*)/s)
        event[field] = value
      }
    }
  }
}

let lastEventId
for (;;) {
  try {
    const response = await fetch(url, {
      headers: {
        accept: "text/event-stream",
        authorization: `Bearer ${token}`,
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId })
      }
    })
    if (response.status === 401 || response.status === 404) {
      console.log(`The server says ${response.status}.`)
      break
    }
    if (!response.ok) {
      await pause(Number(response.headers.get("retry-after") ?? 5))
      continue
    }
    for await (const { data, event, id } of eventsOf(response.body)) {
      const value = JSON.parse(data)
      // `event: receipts` says how far participants have read.
      const messages = { snapshot: value.messages, message: [value] }[event] ?? []
      messages.forEach(show)
      lastEventId = id
    }
  } catch {
    await pause(1)
  }
}
