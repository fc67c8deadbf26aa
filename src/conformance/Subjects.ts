import { accounts } from "./promises/Accounts.ts"
import { conversations } from "./promises/Conversations.ts"
import { deletion } from "./promises/Deletion.ts"
import { polls } from "./promises/Polls.ts"
import { presence } from "./promises/Presence.ts"
import { searches } from "./promises/Search.ts"
import { passwords, sessions } from "./promises/Sessions.ts"
import type { Subject } from "./Subject.ts"

/** Every subject, in the order of a run. */
export const subjects: ReadonlyArray<Subject> = [
  accounts,
  sessions,
  passwords,
  deletion,
  conversations,
  polls,
  presence,
  searches
]
