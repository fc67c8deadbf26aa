#!/usr/bin/env node
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Runtime } from "effect"
import { CliOutput, Command } from "effect/cli"
// Compiles schemas to code when they are first used, where the host allows it: a send costs some 8 % less.
import "effect/schema/SchemaJITCompiler/enable"
import { config } from "./commands/ConfigCommand.ts"
import { conformance } from "./commands/ConformanceCommand.ts"
import { conversation } from "./commands/ConversationCommand.ts"
import { dev } from "./commands/DevCommand.ts"
import { doctor } from "./commands/DoctorCommand.ts"
import { exportCommand } from "./commands/ExportCommand.ts"
import { importCommand } from "./commands/ImportCommand.ts"
import { migrate } from "./commands/MigrateCommand.ts"
import { serve } from "./commands/ServeCommand.ts"
import { usage } from "./commands/UsageCommand.ts"
import { user } from "./commands/UserCommand.ts"
import { version } from "./contract/Version.ts"
import { runMain } from "./process/ServerProcess.ts"

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
    usage,
    conformance
  ])
)

/** Prints wrong usage as one line for each reason and a hint: the whole help would bury them. */
const presenter = CliOutput.layerPresenter({
  present: (event) => {
    const name = event._tag === "Version" ? "" : event.commandPath.join(" ")
    if (event._tag === "InvalidInvocation") {
      const reasons = event.errors.map(({ message }) => `${message.replaceAll(/\s*\n\s*/g, " ")}\n`)
      return Console.error(`${reasons.join("")}\`${name} --help\` shows how to use it.`)
    }
    const isIncomplete = event._tag === "Help" && event.reason === "Implicit"
    return Effect.andThen(
      isIncomplete ? Console.error(`\`${name}\` needs a command:`) : Effect.void,
      CliOutput.defaultPresenter.present(event)
    )
  }
})

runMain(
  Command.run(xfchat, { version }).pipe(
    // The presenter has already reported the mistake.
    Effect.tapErrorTag("ShowHelp", (error) => Effect.sync(() => Object.assign(error, { [Runtime.errorExitCode]: 2 }))),
    Effect.provide([NodeServices.layer, presenter])
  )
)
