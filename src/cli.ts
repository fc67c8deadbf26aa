#!/usr/bin/env node
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Runtime } from "effect"
import { CliOutput, Command, Flag } from "effect/cli"
// Schemas become code when they are first used, where the host allows it: a send costs some 8 % less.
import "effect/schema/SchemaJITCompiler/enable"
import packageJson from "../package.json" with { type: "json" }
import { conversation } from "./commands/ConversationCommand.ts"
import { doctor } from "./commands/Doctor.ts"
import { exportCommand } from "./commands/Export.ts"
import { importCommand } from "./commands/Import.ts"
import { migrate } from "./commands/Migrate.ts"
import { usage } from "./commands/UsageCommand.ts"
import { user } from "./commands/UserCommand.ts"
import { development } from "./process/Development.ts"
import { runMain, ServerProcess } from "./process/ServerProcess.ts"
import { showConfiguration } from "./process/ShowConfiguration.ts"

const serve = Command.make("serve", {}, () => Layer.launch(ServerProcess)).pipe(
  Command.withDescription("Serve the API. Needs DATABASE_URL.")
)

const demo = Flag.Boolean("demo").pipe(
  Flag.withDescription("Make two demo accounts also in the database of DATABASE_URL, and print their tokens"),
  Flag.withDefault(false)
)

const dev = Command.make("dev", { demo }, development).pipe(
  Command.withDescription(
    "Serve for development, on 127.0.0.1 unless SERVER_HOST is set: without DATABASE_URL, on an embedded PostgreSQL that keeps its data and has two demo accounts."
  )
)

const config = Command.make("config", {}, () => showConfiguration).pipe(
  Command.withDescription("Show each environment variable and what is in force. Secrets are not shown.")
)

const xfchat = Command.make("xfchat").pipe(
  Command.withDescription("A chat backend on PostgreSQL"),
  Command.withSubcommands([
    serve,
    dev,
    config,
    doctor,
    migrate,
    exportCommand,
    importCommand,
    user,
    conversation,
    usage
  ])
)

/** Wrong usage is a line for each reason, and where to read on: the whole help would hide them. */
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    const name = event._tag === "Version" ? "" : event.commandPath.join(" ")
    if (event._tag === "InvalidInvocation") {
      const reasons = event.errors.map(({ message }) => `${message.replaceAll(/\s*\n\s*/g, " ")}\n`)
      return Console.error(`${reasons.join("")}\`${name} --help\` shows how it is used.`)
    }
    const isIncomplete = event._tag === "Help" && event.reason === "Implicit"
    return Effect.andThen(
      isIncomplete ? Console.error(`\`${name}\` needs a command after it:`) : Effect.void,
      CliOutput.defaultPresenter.present(event)
    )
  }
})

runMain(
  Command.run(xfchat, { version: packageJson.version }).pipe(
    // What is wrong has been shown, and how it is right.
    Effect.tapErrorTag("ShowHelp", (error) => Effect.sync(() => Object.assign(error, { [Runtime.errorExitCode]: 2 }))),
    Effect.provide([NodeServices.layer, presenter])
  )
)
