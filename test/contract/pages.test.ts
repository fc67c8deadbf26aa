import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { signedIn, TestServer } from "../../src/testing/index.ts"
import { call } from "../friends/caller.ts"
import { document } from "../../src/conformance/Documented.ts"

/** The number of items in each list. */
const size = 7

/** The time of the row `n`: three or four are in one millisecond. */
const time = "('2024-01-01T00:00:00.0001Z'::timestamptz + n * interval '300 microseconds')"

/** Two people with `size` items in each list. Only the blocker blocks somebody, which changes the times of conversations. */
const populate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [ada, blocker] = [yield* signedIn(), yield* signedIn()]
  const crowd = yield* sql<{ readonly id: string }>`
    INSERT INTO users (username, email, password_hash)
    SELECT 'crowd_' || n, 'crowd_' || n || '@example.com', '' FROM generate_series(1, ${size * 4}::int) n RETURNING id`
  const [friends = [], incoming = [], outgoing = [], blocked = []] = Arrays.chunksOf(
    crowd.map(({ id }) => id),
    size
  )
  const numbered = (ids: ReadonlyArray<string>) => sql`unnest(${ids}::uuid[]) WITH ORDINALITY AS u (id, n)`
  const at = sql.literal(time)
  yield* sql`
    INSERT INTO friend_requests (from_user_id, to_user_id, status, responded_at)
    SELECT id, ${ada.id}::uuid, 'accepted', ${at} FROM ${numbered(friends)}`
  // The writers of requests truncate this time, so that an index has the order of the list.
  yield* sql`
    INSERT INTO friend_requests (from_user_id, to_user_id, created_at)
    SELECT id, ${ada.id}::uuid, date_trunc('milliseconds', ${at}) FROM ${numbered(incoming)}
    UNION ALL SELECT ${ada.id}::uuid, id, date_trunc('milliseconds', ${at}) FROM ${numbered(outgoing)}`
  yield* sql`
    INSERT INTO blocks (blocker_id, blocked_id, created_at) SELECT ${blocker.id}::uuid, id, ${at} FROM ${numbered(blocked)}`
  const conversations = yield* sql<{ readonly id: string }>`
    INSERT INTO conversations (name, is_direct_message, created_by, head, updated_at)
    SELECT 'group ' || n, false, ${ada.id}::uuid, 1, ${at} FROM generate_series(1, ${size}::int) n RETURNING id`
  const ids = conversations.map(({ id }) => id)
  yield* sql`
    INSERT INTO conversation_participants (conversation_id, user_id, joined_at)
    SELECT c.id, p.id, ${at} FROM unnest(${ids}::uuid[]) AS c (id),
      unnest(${[ada.id, blocker.id, ...friends.slice(2)]}::uuid[]) WITH ORDINALITY AS p (id, n)`
  const messages = yield* sql<{ readonly id: string }>`
    INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
    SELECT id, gen_random_uuid(), ${ada.id}::uuid, 'text', 'needle', 1, 1, ${at} FROM ${numbered(ids)} RETURNING id`
  yield* sql`
    INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji, created_at)
    SELECT ${ids[0]}::uuid, ${messages[0]?.id}::uuid, id, '👍', ${at} FROM ${numbered(friends)}`
  yield* (yield* SearchIndex).sweep
  return { ada, blocker, conversation: ids[0], message: messages[0]?.id }
})
class Populated extends Context.Service<Populated, Effect.Success<typeof populate>>()("test/Populated") {
  static readonly layer = Layer.effect(Populated, populate)
}

interface Page {
  readonly after?: string | null
  readonly cursor?: string | null
  readonly [list: string]: ReadonlyArray<{ readonly id: string }> | string | boolean | null | undefined
}

interface List {
  readonly by: "ada" | "blocker"
  readonly query?: string
}

/** Every list that comes in pages by time: its path, and the requests that order it differently. */
const lists: Readonly<Record<string, ReadonlyArray<List>>> = {
  "/api/conversations": [{ by: "ada" }, { by: "blocker" }],
  "/api/conversations/{id}/participants": [{ by: "ada" }],
  "/api/conversations/{id}/messages/{messageId}/reactions/{emoji}": [{ by: "ada" }],
  "/api/friends": [{ by: "ada" }],
  "/api/friends/requests": [
    { by: "ada", query: "direction=incoming" },
    { by: "ada", query: "direction=outgoing" }
  ],
  "/api/friends/blocks": [{ by: "blocker" }],
  "/api/messages/search": [{ by: "ada", query: "q=needle" }]
}

interface Operation {
  readonly parameters?: ReadonlyArray<{ readonly in: string; readonly schema: unknown; readonly description?: string }>
}

/** The paths with a query that continues a list, except for positions in a log, which are numbers. */
const pathsWithCursors = Object.entries({ ...Object(document["paths"]) } as Record<
  string,
  { get?: Operation }
>).flatMap(([path, { get }]) =>
  get?.parameters?.some(
    (parameter) =>
      parameter.description?.includes("of the page before") === true &&
      JSON.stringify(parameter.schema) !== '{"type":"integer"}'
  ) === true
    ? [path]
    : []
)

layer(Populated.layer.pipe(Layer.provideMerge(TestServer.layer)), { excludeTestServices: true })(
  "Pages that end between items of the same millisecond",
  (it) => {
    it.effect("are tested for every list that has a cursor", () =>
      Effect.sync(() => assert.sameMembers(pathsWithCursors, Object.keys(lists)))
    )

    for (const [path, requests] of Object.entries(lists)) {
      for (const { by, query = "" } of requests) {
        it.effect(`have every item once: ${path}?${query} (${by})`, () =>
          Effect.gen(function* () {
            const { conversation, message, ...people } = yield* Populated
            const url = path
              .replace("/api", "")
              .replace("{id}", String(conversation))
              .replace("{messageId}", String(message))
              .replace("{emoji}", encodeURIComponent("👍"))
            const found: Array<unknown> = []
            let next = ""
            do {
              const { body, status } = yield* call(people[by], "GET", `${url}?${query}&limit=1${next}`)
              assert.strictEqual(status, 200)
              const { after, cursor, ...lists } = body as Page
              for (const items of Object.values(lists))
                if (Array.isArray(items)) found.push(...items.map(({ id }) => id))
              next = after ? `&after=${after}` : cursor ? `&cursor=${cursor}` : ""
            } while (next !== "" && found.length <= size)
            assert.lengthOf(found, size)
            assert.lengthOf(Arrays.dedupe(found), size)
          })
        )
      }
    }
  }
)
