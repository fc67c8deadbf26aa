import { accounts } from "./promises/Accounts.ts"
import { badInput } from "./promises/BadInput.ts"
import { bodies } from "./promises/Bodies.ts"
import { conversations } from "./promises/Conversations.ts"
import { deletion } from "./promises/Deletion.ts"
import { encodingsOfStreams } from "./promises/Encodings.ts"
import { http } from "./promises/Http.ts"
import { lines } from "./promises/Lines.ts"
import { messages } from "./promises/Messages.ts"
import { polls } from "./promises/Polls.ts"
import { presence } from "./promises/Presence.ts"
import { profile } from "./promises/Profile.ts"
import { receipts } from "./promises/Receipts.ts"
import { resume } from "./promises/Resume.ts"
import { searches } from "./promises/Search.ts"
import { passwords, sessions } from "./promises/Sessions.ts"
import { subscriptions } from "./promises/Subscriptions.ts"
import { writes } from "./promises/Writes.ts"
import type { Subject } from "./Subject.ts"

/** Every subject, in the order of a run. */
export const subjects: ReadonlyArray<Subject> = [
  accounts,
  sessions,
  passwords,
  profile,
  deletion,
  conversations,
  messages,
  lines,
  writes,
  bodies,
  badInput,
  http,
  subscriptions,
  resume,
  encodingsOfStreams,
  polls,
  receipts,
  presence,
  searches
]
