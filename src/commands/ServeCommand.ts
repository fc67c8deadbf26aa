import { Command } from "effect/cli"
import { serveProcesses } from "../process/ServerProcess.ts"

export const serve = Command.make("serve", {}, () => serveProcesses).pipe(
  Command.withDescription("Serve the API. Needs DATABASE_URL.")
)
