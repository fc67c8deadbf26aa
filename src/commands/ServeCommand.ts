import { Layer } from "effect"
import { Command } from "effect/cli"
import { ServerProcess } from "../process/ServerProcess.ts"

export const serve = Command.make("serve", {}, () => Layer.launch(ServerProcess)).pipe(
  Command.withDescription("Serve the API. Needs DATABASE_URL.")
)
