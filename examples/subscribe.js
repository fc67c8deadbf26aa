// Follows a conversation as lines of JSON. Runs in a browser, on Node and on Deno:
//
//   XFCHAT_MESSAGES=http://localhost:3000/api/conversations/ID/messages XFCHAT_TOKEN=... node examples/subscribe.js

/** More than two heartbeats without a byte: the connection is dead. */
const patience = 45_000

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))

/** The lines of a response as they come. What the end of the stream has cut off is no line. */
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

/** Calls `receive` with each snapshot, message and list of receipts, in order, until the server says that there are no more. */
export async function follow(url, token, receive) {
  // The version of the last update that came whole: all that it takes to resume.
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
      // The session has ended, or the conversation is not ours any more.
      if (response.status === 401 || response.status === 404) return response.status
      if (!response.ok) {
        // 429 and 503 say when to come back.
        await pause(Number(response.headers.get("retry-after") ?? 5))
        continue
      }
      failures = 0
      for await (const line of linesOf(response.body, heard)) {
        const update = JSON.parse(line)
        // `{}` is a heartbeat. Receipts have no version: they come under the last one.
        if (update.version !== undefined || update.receipts !== undefined) receive(update)
        version = update.version ?? version
      }
      // Streams end now and then: at their greatest age, and when a server stops. Resume.
      await pause(0.1)
    } catch {
      // No network, or no server: another try, later and later.
      failures += 1
      await pause(Math.min(30, 0.1 * 2 ** failures) * (0.5 + Math.random() / 2))
    } finally {
      clearTimeout(timer)
    }
  }
}

// A browser stops reading here: it calls `follow` itself.
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
