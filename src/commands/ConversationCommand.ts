import { Console, DateTime, Effect, Layer } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ConversationId } from "../contract/Conversation.ts"
import { ConversationAdmin } from "../conversations/ConversationAdmin.ts"
import { Ownership } from "../conversations/Ownership.ts"
import { SystemMessages } from "../messages/SystemMessages.ts"
import { ChangeBus } from "../changes/ChangeBus.ts"
import * as CommandDatabase from "./CommandDatabase.ts"

const Services = ConversationAdmin.layer.pipe(
  Layer.provide(Ownership.layer.pipe(Layer.provideMerge(SystemMessages.layer))),
  Layer.provide(ChangeBus.layerConfig),
  Layer.provide(CommandDatabase.layer)
)

const id = Argument.String("ID").pipe(
  Argument.withDescription("The conversation's id"),
  Argument.withSchema(ConversationId)
)

/** A name as JSON, with invisible characters escaped: rows from an older XFChat may contain some that move a terminal's cursor. */
const quoted = (name: string) =>
  JSON.stringify(name).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`
  )

const show = Command.make("show", { id }, ({ id }) =>
  Effect.gen(function* () {
    const { createdAt, head, isDirectMessage, name, people } = yield* (yield* ConversationAdmin).show(id)
    const kind = isDirectMessage ? "Direct conversation" : "Group"
    yield* Console.log(
      [
        `${kind} ${id}`,
        ...(name === null ? [] : [`Name: ${quoted(name)}`]),
        `Created: ${DateTime.formatIso(createdAt)}`,
        `Head: ${head}`,
        `Participants: ${people.length}`,
        ...people.map(({ account, role, username }) => `${username.padEnd(30)}  ${role.padEnd(6)}  ${account}`)
      ].join("\n")
    )
  })
).pipe(
  Command.provide(Services),
  Command.withDescription("Show a conversation's kind, name, head and participants, but none of its messages.")
)

const to = Flag.String("to").pipe(
  Flag.withMetavar("NAME"),
  Flag.withDescription("The username of a participant whose account is not disabled")
)

const handOver = Command.make("hand-over", { id, to }, ({ id, to }) =>
  Effect.gen(function* () {
    yield* (yield* ConversationAdmin).handOver(id, to)
    yield* Console.log(`${to} owns the group ${id}.`)
  })
).pipe(
  Command.provide(Services),
  Command.withDescription(
    "Make one of its participants the owner of a group. The former owner becomes an admin; the group's log says so."
  ),
  Command.withExamples([
    {
      command: "xfchat conversation hand-over 7b0c9f1e-4f7e-4a0e-9d0a-2f6f3a1f5c11 --to ada",
      description: "Make ada the owner"
    }
  ])
)

export const conversation = Command.make("conversation").pipe(
  Command.withDescription("Show a conversation, or give a group another owner"),
  Command.withSubcommands([show, handOver])
)
