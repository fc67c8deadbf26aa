import { Effect } from "effect"
import type { UserId } from "../contract/Account.ts"
import {
  leads,
  maxParticipants,
  ParticipantLimitReached,
  type Conversation,
  type GroupChange,
  type Role
} from "../contract/Conversation.ts"
import type { SystemContent } from "../contract/Message.ts"
import { Forbidden } from "../contract/Problem.ts"
import type { Reach } from "../people/ContactPolicy.ts"

/**
 * The rights in a group, by role:
 *
 * |                                      | owner | admin | member |
 * |--------------------------------------|-------|-------|--------|
 * | change name, description and history | yes   | yes   |        |
 * | add people                           | yes   | yes   |        |
 * | remove members                       | yes   | yes   |        |
 * | remove admins                        | yes   |       |        |
 * | give roles, hand the group over      | yes   |       |        |
 * | delete the group                     | yes   |       |        |
 * | leave                                | yes   | yes   | yes    |
 *
 * A request for what already holds changes nothing and needs no right. The owner cannot give up the role, only hand it over.
 * (`MessageChanges` lets those who lead a group erase any message in it.)
 */
export interface Actor {
  readonly caller: UserId
  readonly role: Role
}

/** A group, as the participant finds it who is about to act. */
export interface Group extends Actor {
  /** Of all participants. */
  readonly roles: ReadonlyMap<UserId, Role>
}

/** The part of a group that its owner and admins can change. */
export type Settings = Pick<Conversation, "name" | "description" | "history">

const forbidden = (detail: string) => Effect.fail(new Forbidden({ detail }))

/** The settings after a change, and a system message for each that differs. */
export const update = (
  { caller, role }: Actor,
  settings: Settings,
  change: GroupChange
): Effect.Effect<{ readonly settings: Settings; readonly said: ReadonlyArray<SystemContent> }, Forbidden> => {
  if (!leads(role)) return forbidden("Only the owner and admins can change a group.")
  const { description, history, name } = { ...settings, ...change }
  const said: Array<SystemContent> = []
  if (name !== settings.name) said.push({ event: "renamed", by: caller, name })
  if (description !== settings.description) said.push({ event: "described", by: caller, description })
  if (history !== settings.history) said.push({ event: "historyChanged", by: caller, history })
  return Effect.succeed({ settings: { description, history, name }, said })
}

/** Deletes the group. */
export const end = ({ role }: Actor): Effect.Effect<void, Forbidden> =>
  role === "owner" ? Effect.void : forbidden("Only the owner can delete a group.")

/** Adds a person who is not a participant. `reach` is what they let the caller do, `undefined` for an unknown account. */
export const add = (
  { role, roles }: Group,
  reach: Reach | undefined
): Effect.Effect<void, Forbidden | ParticipantLimitReached> => {
  if (!leads(role)) return forbidden("Only the owner and admins can add people.")
  if (reach?.group === false) return forbidden("This person can only be added by their friends.")
  return roles.size < maxParticipants
    ? Effect.void
    : Effect.fail(
        new ParticipantLimitReached({ detail: `A group has at most ${maxParticipants} participants, as this one has.` })
      )
}

/** Whether a participant's role changes. `owner` hands the group over. */
export const giveRole = (
  { caller, role: own, roles }: Group,
  user: UserId,
  role: Role
): Effect.Effect<boolean, Forbidden> => {
  if (role === (roles.get(user) ?? "member")) return Effect.succeed(false)
  if (own !== "owner") return forbidden("Only the owner can change roles.")
  if (user === caller)
    return forbidden("The owner cannot give up the role: make another participant the owner instead.")
  return Effect.succeed(true)
}

/** Lets a person succeed the owner. A group needs an owner who can sign in. */
export const succeed = ({ isDisabled }: { readonly isDisabled: boolean }): Effect.Effect<void, Forbidden> =>
  isDisabled ? forbidden("This person's account is disabled: hand the group over to somebody else.") : Effect.void

/** Removes a person, or the caller. A group ends with its last participant. */
export const remove = (
  { caller, role, roles }: Group,
  user: UserId
): Effect.Effect<"nothing" | "leaves" | "ends", Forbidden> => {
  const removed = roles.get(user)
  if (removed === undefined) return Effect.succeed("nothing")
  if (user !== caller && !(role === "owner" || (role === "admin" && removed === "member"))) {
    return forbidden("Only the owner and admins can remove people, and only the owner can remove an admin.")
  }
  return Effect.succeed(roles.size === 1 ? "ends" : "leaves")
}
