import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { UserId } from "../../src/contract/Account.ts"
import { leads, maxParticipants, Role } from "../../src/contract/Conversation.ts"
import * as GroupRules from "../../src/conversations/GroupRules.ts"
import type { Reach } from "../../src/people/ContactPolicy.ts"

const person = (n: number) => UserId.make(`00000000-0000-4000-8000-${String(n).padStart(12, "0")}`)
const [owner, admin, admin2, member, member2, stranger] = [1, 2, 3, 4, 5, 6].map(person) as [
  UserId,
  UserId,
  UserId,
  UserId,
  UserId,
  UserId
]
const roles = new Map<UserId, Role>([
  [owner, "owner"],
  [admin, "admin"],
  [admin2, "admin"],
  [member, "member"],
  [member2, "member"]
])
const actors: Record<Role, UserId> = { owner, admin, member }
const groupFor = (role: Role): GroupRules.Group => ({ caller: actors[role], role, roles })

const settings: GroupRules.Settings = { name: "Engines", description: null, history: "whole" }
const everybody: Reach = { direct: true, group: true }

type Right = (group: GroupRules.Group) => Effect.Effect<unknown, { readonly _tag: string }>

/** Each right, and the roles that have it: all roles and all rights. */
const rights: Record<string, readonly [right: Right, roles: ReadonlyArray<Role>]> = {
  "change the name": [(group) => GroupRules.update(group, settings, { name: "Looms" }), ["owner", "admin"]],
  "change the description": [(group) => GroupRules.update(group, settings, { description: "" }), ["owner", "admin"]],
  "change the history": [
    (group) => GroupRules.update(group, settings, { history: "since_joining" }),
    ["owner", "admin"]
  ],
  "add people": [(group) => GroupRules.add(group, everybody), ["owner", "admin"]],
  "remove members": [(group) => GroupRules.remove(group, member2), ["owner", "admin"]],
  "remove admins": [(group) => GroupRules.remove(group, admin2), ["owner"]],
  "remove the owner": [(group) => GroupRules.remove(group, owner), ["owner"]],
  "make members admins": [(group) => GroupRules.giveRole(group, member2, "admin"), ["owner"]],
  "make admins members": [(group) => GroupRules.giveRole(group, admin2, "member"), ["owner"]],
  "make newcomers admins": [(group) => GroupRules.giveRole(group, stranger, "admin"), ["owner"]],
  "hand the group over": [(group) => GroupRules.giveRole(group, admin2, "owner"), ["owner"]],
  "make themselves owners": [(group) => GroupRules.giveRole(group, group.caller, "owner"), ["owner"]],
  "delete the group": [(group) => GroupRules.end(group), ["owner"]],
  leave: [(group) => GroupRules.remove(group, group.caller), ["owner", "admin", "member"]]
}

const outcome = (effect: ReturnType<Right>) =>
  Exit.match(Effect.runSyncExit(Effect.flip(effect)), {
    onSuccess: ({ _tag }) => _tag,
    onFailure: () => "allowed"
  })

describe("In a group", () => {
  for (const role of Role.literals) {
    for (const [name, [right, allowed]] of Object.entries(rights)) {
      const isAllowed = allowed.includes(role)
      it(`${role}s ${isAllowed ? "can" : "cannot"} ${name}`, () =>
        assert.strictEqual(outcome(right(groupFor(role))), isAllowed ? "allowed" : "Forbidden"))
    }
  }

  it("the owner and admins lead", () => {
    assert.deepStrictEqual(Role.literals.filter(leads), ["owner", "admin"])
  })

  it("nobody needs a right for what already holds", () => {
    for (const role of Role.literals) {
      const group = groupFor(role)
      for (const [user, own] of roles) {
        assert.isFalse(Effect.runSync(GroupRules.giveRole(group, user, own)))
      }
      assert.isFalse(Effect.runSync(GroupRules.giveRole(group, stranger, "member")))
      assert.strictEqual(Effect.runSync(GroupRules.remove(group, stranger)), "nothing")
    }
  })

  it("the owner cannot give up the role", () => {
    for (const role of ["admin", "member"] as const) {
      assert.strictEqual(outcome(GroupRules.giveRole(groupFor("owner"), owner, role)), "Forbidden")
    }
  })

  it("only friends add a person who has chosen that, and nobody adds more people than fit", () => {
    const group = groupFor("owner")
    const full = {
      ...group,
      roles: new Map<UserId, Role>(Array.from({ length: maxParticipants }, (_, n) => [person(n), "member"]))
    }
    assert.strictEqual(outcome(GroupRules.add(group, { direct: true, group: false })), "Forbidden")
    assert.strictEqual(outcome(GroupRules.add(group, undefined)), "allowed")
    assert.strictEqual(outcome(GroupRules.add(full, everybody)), "ParticipantLimitReached")
  })

  it("the last participant who leaves ends the group", () => {
    const alone: GroupRules.Group = { caller: owner, role: "owner", roles: new Map([[owner, "owner"]]) }
    assert.strictEqual(Effect.runSync(GroupRules.remove(alone, owner)), "ends")
    assert.strictEqual(Effect.runSync(GroupRules.remove(groupFor("owner"), owner)), "leaves")
  })

  it("the log has each changed setting once", () => {
    const said = (change: Parameters<typeof GroupRules.update>[2]) =>
      Effect.runSync(GroupRules.update(groupFor("admin"), settings, change))
    assert.deepStrictEqual(said({}), { settings, said: [] })
    assert.deepStrictEqual(said({ name: "Engines", description: null, history: "whole" }), { settings, said: [] })
    assert.deepStrictEqual(said({ name: null, description: "Woven", history: "since_joining" }), {
      settings: { name: null, description: "Woven", history: "since_joining" },
      said: [
        { event: "renamed", by: admin, name: null },
        { event: "described", by: admin, description: "Woven" },
        { event: "historyChanged", by: admin, history: "since_joining" }
      ]
    })
  })
})

describe("A group passes", () => {
  it("only to a person who can sign in", () => {
    assert.strictEqual(outcome(GroupRules.succeed({ isDisabled: false })), "allowed")
    assert.strictEqual(outcome(GroupRules.succeed({ isDisabled: true })), "Forbidden")
  })
})
