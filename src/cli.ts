#!/usr/bin/env node
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import packageJson from "../package.json" with { type: "json" }
import { development } from "./operations/Development.ts"
import { runMain, ServerProcess } from "./operations/ServerProcess.ts"

const serve = Command.make("serve", {}, () => Layer.launch(ServerProcess)).pipe(
  Command.withDescription("Serve the API. Needs DATABASE_URL.")
)

const dev = Command.make("dev", {}, () => development).pipe(
  Command.withDescription("Serve for development: without DATABASE_URL, on an embedded PostgreSQL that keeps its data.")
)

const xfchat = Command.make("xfchat").pipe(
  Command.withDescription("A chat backend on PostgreSQL"),
  Command.withSubcommands([serve, dev])
)

runMain(Command.run(xfchat, { version: packageJson.version }).pipe(Effect.provide(NodeServices.layer)))
