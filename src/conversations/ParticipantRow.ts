import type { SqlClient, Statement } from "effect/sql"
import type { Participant } from "../contract/Conversation.ts"
import type { PageCursor } from "../contract/Paging.ts"
import { profileColumns } from "../people/ProfileRow.ts"

/** The people in a conversation, as `Participant` decodes them. By the primary keys of conversation_participants and users. */
export const participantRows = (sql: SqlClient.SqlClient, id: string): Statement.Fragment => sql`
  SELECT ${sql.literal(profileColumns())}, o.role, date_trunc('milliseconds', o.joined_at) AS "joinedAt"
  FROM conversation_participants o JOIN users u ON u.id = o.user_id WHERE o.conversation_id = ${id}`

/** The longest there first. The time is to the millisecond, like a cursor. */
export const participantOrder = '"joinedAt", id'

export const cursorOfParticipant = ({ id, joinedAt }: Participant): PageCursor => ({ before: joinedAt, id })
