// Two people chat through a client that was generated from the API's document. See openapi.ts.
import createClient from "openapi-fetch"
import type { paths } from "./schema.ts"

type Media = "application/json" | "application/problem+json"

declare const process: { readonly argv: ReadonlyArray<string> }

const [, , baseUrl = ""] = process.argv

const expect = <A>({ data, error }: { readonly data?: A; readonly error?: unknown }): A => {
  if (data === undefined) throw new Error(JSON.stringify(error))
  return data
}

const signUp = async (username: string) => {
  const body = { username, email: `${username}@example.com`, password: "correct horse battery staple" }
  const { token, user } = expect(await createClient<paths, Media>({ baseUrl }).POST("/api/auth/signup", { body }))
  return { user, api: createClient<paths, Media>({ baseUrl, headers: { authorization: `Bearer ${token}` } }) }
}

const [ada, grace] = [await signUp("ada_of_openapi"), await signUp("grace_of_openapi")]
const { id } = expect(
  await ada.api.PUT("/api/conversations/direct/{userId}", { params: { path: { userId: grace.user.id } } })
)
const path = { id, messageId: crypto.randomUUID() }
const sent = expect(
  await ada.api.PUT("/api/conversations/{id}/messages/{messageId}", { params: { path }, body: { content: "Hello" } })
)
const page = expect(await grace.api.GET("/api/conversations/{id}/messages", { params: { path: { id } } }))
if (!("messages" in page) || page.messages.at(-1)?.id !== sent.id) throw new Error(`Grace got ${JSON.stringify(page)}`)

// A refusal has the type of its problem.
const { error } = await grace.api.GET("/api/conversations/{id}", { params: { path: { id: crypto.randomUUID() } } })
if (error?.type !== "NotFound")
  throw new Error(`There is no such conversation, but the answer is ${JSON.stringify(error)}`)
