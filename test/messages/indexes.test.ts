import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Inbox } from "../../src/inbox/Inbox.ts"
import { Position, type ConversationId } from "../../src/contract/Conversation.ts"
import { Conversations } from "../../src/conversations/Conversations.ts"
import { MessageChanges } from "../../src/messages/MessageChanges.ts"
import type { View } from "../../src/messages/LogView.ts"
import { Messages } from "../../src/messages/Messages.ts"
import { Receipts } from "../../src/conversations/Receipts.ts"
import type { Search } from "../../src/search/Search.ts"
import { SearchIndex } from "../../src/search/SearchIndex.ts"
import { PresenceAudiences } from "../../src/presence/PresenceAudiences.ts"
import { TestServices, type TestUser } from "../../src/testing/index.ts"
import { plansOf } from "../queryPlans.ts"
import { findMessages, groupOf, people } from "../world.ts"

interface Filled {
  readonly ada: TestUser
  readonly grace: TestUser
  /** A conversation of Ada's with thousands of messages, among thousands of conversations. */
  readonly id: ConversationId
  readonly view: View
}

/** A database whose tables are all too large to be read whole. */
class Fill extends Context.Service<Fill, Filled>()("test/Fill") {
  static readonly layer = Layer.effect(
    Fill,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [ada, grace] = yield* people("ada", "grace")
      const id = yield* groupOf([ada, grace])
      yield* sql`
        INSERT INTO users (username, email, password_hash)
        SELECT 'filler_' || n, 'filler_' || n || '@example.com', '' FROM generate_series(1, 3000) n`
      yield* sql`
        INSERT INTO conversations (name, is_direct_message, head, updated_at)
        SELECT 'filler ' || n, false, 3, now() - n * interval '1 minute' FROM generate_series(1, 3000) n`
      yield* sql`
        INSERT INTO conversation_participants (conversation_id, user_id, role)
        SELECT c.id, u.id, 'member' FROM conversations c
        JOIN users u ON u.username = replace(c.name, 'filler ', 'filler_')`
      yield* sql`
        INSERT INTO conversation_participants (conversation_id, user_id, role)
        SELECT id, ${ada.id}::uuid, 'member' FROM conversations WHERE name LIKE 'filler %000'`
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
        SELECT c.id, gen_random_uuid(), ${grace.id}::uuid, 'text', 'filler ' || n, n, n, now()
        FROM conversations c, generate_series(1, 3) n WHERE c.name LIKE 'filler %'`
      yield* sql`
        INSERT INTO chat_messages (conversation_id, id, sender_id, message_type, content, seq, version, created_at)
        SELECT ${id}::uuid, gen_random_uuid(), ${grace.id}::uuid, 'text', 'word ' || n, n,
          CASE WHEN n % 100 = 0 THEN 5000 + n / 100 ELSE n END, now()
        FROM generate_series(2, 5000) n`
      yield* sql`UPDATE conversations SET head = 5050 WHERE id = ${id}`
      yield* sql`
        INSERT INTO message_reactions (conversation_id, message_id, user_id, emoji)
        SELECT conversation_id, id, sender_id, '👍' FROM chat_messages WHERE seq < 2000 AND message_type = 'text'`
      yield* sql`
        INSERT INTO message_versions (conversation_id, message_id, version, content, written_at)
        SELECT conversation_id, id, seq, 'before', now() FROM chat_messages WHERE seq < 2000`
      yield* sql`INSERT INTO conversation_revisions (conversation_id) SELECT id FROM conversations`
      yield* sql`
        INSERT INTO friend_requests (from_user_id, to_user_id, status)
        SELECT a.id, b.id, 'accepted' FROM generate_series(1, 2999) n
        JOIN users a ON a.username = 'filler_' || n JOIN users b ON b.username = 'filler_' || n + 1`
      yield* sql`
        INSERT INTO blocks (blocker_id, blocked_id) SELECT to_user_id, from_user_id FROM friend_requests`
      yield* sql`
        INSERT INTO frozen_receipts (conversation_id, blocked_id, blocker_id, last_delivered_seq, last_read_seq)
        SELECT p.conversation_id, b.blocked_id, b.blocker_id, 1, 1 FROM blocks b
        JOIN conversation_participants p ON p.user_id = b.blocker_id`
      yield* sql`INSERT INTO people_revisions (user_id) SELECT id FROM users`
      yield* sql`INSERT INTO visibility_epochs (conversation_id, epoch) SELECT id, 1 FROM conversations`
      yield* (yield* SearchIndex).sweep
      yield* sql`ANALYZE`
      return { ada, grace, id, view: yield* (yield* Messages).view(ada.id, id) }
    })
  )
}

const at = (seq: number) => Position.make(seq)

layer(Fill.layer.pipe(Layer.provideMerge(TestServices)))("On a filled database", (it) => {
  // Each path, and the indexes by which it finds its rows. Of two that do equally well, as the key of the participants and
  // the index that has its columns the other way round, either is taken: such are not named.
  const paths: Record<
    string,
    {
      readonly indexes: ReadonlyArray<string>
      readonly run: (
        filled: Filled
      ) => Effect.Effect<
        unknown,
        unknown,
        Messages | Conversations | MessageChanges | Receipts | PresenceAudiences | Inbox | Search | SearchIndex
      >
    }
  > = {
    "the newest page": {
      indexes: ["chat_messages_seq_key", "message_reactions_pkey"],
      run: ({ id, view }) => Messages.use((messages) => messages.page(id, view, { limit: 50 }))
    },
    "a page before a position": {
      indexes: ["chat_messages_seq_key"],
      run: ({ id, view }) => Messages.use((messages) => messages.page(id, view, { limit: 50, before: at(2_000) }))
    },
    "a page after a position": {
      indexes: ["chat_messages_seq_key"],
      run: ({ id, view }) => Messages.use((messages) => messages.page(id, view, { limit: 50, after: at(2_000) }))
    },
    "a page around a position": {
      indexes: ["chat_messages_seq_key"],
      run: ({ id, view }) => Messages.use((messages) => messages.page(id, view, { limit: 50, around: at(2_000) }))
    },
    "the log since a position": {
      indexes: ["chat_messages_seq_key", "chat_messages_changed_idx"],
      run: ({ id }) => Messages.use((messages) => messages.since(id, at(4_000), 100))
    },
    "the messages that a participant may see": {
      indexes: ["conversations_pkey"],
      run: ({ ada, id }) => Messages.use((messages) => messages.view(ada.id, id))
    },
    "the receipts of conversations": {
      indexes: ["conversations_pkey", "blocks_pkey"],
      run: ({ id }) => Messages.use((messages) => messages.receipts([id]))
    },
    "the heads of conversations": {
      indexes: ["conversations_pkey"],
      run: ({ id }) => Messages.use((messages) => messages.heads([id]))
    },
    "the list of conversations": {
      indexes: ["conversation_participants_user_id_idx", "conversations_pkey", "chat_messages_seq_key"],
      run: ({ ada }) => Conversations.use((conversations) => conversations.list(ada.id, 20, undefined))
    },
    "a conversation": {
      indexes: ["conversations_pkey", "conversation_participants_pkey", "users_pkey"],
      run: ({ ada, id }) => Conversations.use((conversations) => conversations.get(ada.id, id))
    },
    "a receipt": {
      indexes: ["conversations_pkey"],
      run: ({ ada, id }) => Receipts.use((receipts) => receipts.put(ada.id, id, { readSeq: at(10) }))
    },
    "a message and its earlier contents": {
      indexes: ["message_versions_pkey"],
      run: Effect.fnUntraced(function* ({ ada, id, view }) {
        const messages = yield* Messages
        const {
          messages: [message]
        } = yield* messages.page(id, view, { limit: 1 })
        if (message === undefined) return assert.fail("the conversation is empty")
        yield* (yield* MessageChanges).history(ada.id, { conversationId: id, id: message.id }, 200)
      })
    },
    "who may see whom": {
      indexes: [
        "users_pkey",
        "conversation_participants_user_id_idx",
        "friend_requests_from_user_id_idx",
        "friend_requests_to_user_id_idx",
        "blocks_pkey"
      ],
      run: ({ ada }) => PresenceAudiences.use((audiences) => audiences.find([ada.id]))
    },
    "an inbox": {
      indexes: [
        "conversation_participants_user_id_idx",
        "conversations_pkey",
        "people_revisions_pkey",
        "conversation_revisions_pkey",
        "friend_requests_from_user_id_idx",
        "friend_requests_to_user_id_idx",
        "blocks_pkey"
      ],
      run: ({ ada }) => Inbox.use((inbox) => inbox.read(ada.id, undefined))
    },
    "the participants among some people": {
      indexes: [],
      run: ({ ada, id }) => PresenceAudiences.use((audiences) => audiences.findParticipants([id], [ada.id]))
    },
    "a common word, by walking": {
      indexes: ["message_terms_posted_at_idx", "conversation_participants_user_id_idx", "chat_messages_seq_key"],
      run: ({ ada }) => findMessages(ada, "word")
    },
    "a rare word": {
      indexes: ["message_terms_terms_idx", "chat_messages_seq_key"],
      run: ({ ada, id }) => findMessages(ada, "word 4321", id)
    },
    "the author and the place of a message": {
      indexes: ["conversations_pkey", "message_terms_posted_at_idx"],
      run: ({ grace, ada }) => findMessages(ada, `from:${grace.account.username} in:"filler 1000"`)
    },
    "messages that search has not indexed": {
      indexes: ["conversations_pkey", "search_progress_pkey"],
      run: ({ id }) => SearchIndex.use((index) => index.catchUp([id]))
    }
  }

  for (const [path, { indexes, run }] of Object.entries(paths)) {
    it.effect(`${path} is found by ${indexes.join(", ")}, and no table is read whole`, () =>
      Effect.gen(function* () {
        const plans = yield* plansOf(run(yield* Fill))
        assert.includeMembers([...plans.indexes], [...indexes])
        assert.deepStrictEqual(plans.readWhole, [])
      })
    )
  }
})
