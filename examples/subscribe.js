// Follows a conversation as lines of JSON. Runs in a browser, on Node and on Deno:
//
//   XFCHAT_MESSAGES=http://localhost:3000/api/conversations/ID/messages XFCHAT_TOKEN=... node examples/subscribe.js

/** The connection is dead if not a byte comes for longer than two heartbeats. */
const patience = 45_000

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))

/** The lines of a response as they come. A last line that was cut off is dropped. */
async function* linesOf(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    heard()
    const lines = (rest + read.value).split("\n")
    rest = lines.pop()
    yield* lines
  }
}

/** Calls `receive` with each snapshot, message and list of receipts, in order, until the server answers 401 or 404. */
export async function follow(url, token, receive) {
  // The version of the last update that came whole. Resuming needs nothing else.
  let version
  let failures = 0
  for (;;) {
    const silence = new AbortController()
    let timer
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), patience)
    }
    try {
      heard()
      const response = await fetch(version === undefined ? url : `${url}?after=${version}`, {
        headers: { accept: "application/x-ndjson", authorization: `Bearer ${token}` },
        signal: silence.signal
      })
      // The session has ended, or we are no longer a participant.
      if (response.status === 401 || response.status === 404) return response.status
      if (!response.ok) {
        // 429 and 503 say when to come back.
        await pause(Number(response.headers.get("retry-after") ?? 5))
        continue
      }
      failures = 0
      for await (const line of linesOf(response.body, heard)) {
        const update = JSON.parse(line)
        // `{}` is a heartbeat. Receipts have no version of their own: the version stays the last one.
        if (update.version !== undefined || update.receipts !== undefined) receive(update)
        version = update.version ?? version
      }
      // Streams end at their maximum age, and when a server stops. Resume.
      await pause(0.1)
    } catch {
      // No network, or no server: try again, after longer and longer pauses.
      failures += 1
      await pause(Math.min(30, 0.1 * 2 ** failures) * (0.5 + Math.random() / 2))
    } finally {
      clearTimeout(timer)
    }
  }
}

// Only for the command line: a browser calls `follow` itself.
if (globalThis.process?.env.XFCHAT_MESSAGES) {
  const { XFCHAT_MESSAGES: url, XFCHAT_TOKEN: token } = globalThis.process.env
  const show = ({ content, seq }) => console.log(seq, content)
  const status = await follow(url, token, ({ message, receipts, snapshot }) => {
    const messages = snapshot?.messages ?? (message === undefined ? [] : [message])
    messages.forEach(show)
    for (const { readSeq, userId } of snapshot?.receipts ?? receipts ?? []) console.log(`${userId} has read ${readSeq}`)
  })
  console.log(`The server says ${status}.`)
}
