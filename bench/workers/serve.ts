import type { Answer, Commands } from "../Worker.ts"

/** Runs the parent process's commands until the parent ends. */
export const serve = (commands: Commands) => {
  process.on("message", ({ command, input }: { command: string; input: never }) => {
    const answer = (answer: Answer) => process.send!(answer)
    commands[command]!(input).then(
      (result) => answer({ result }),
      (error: unknown) => answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    )
  })
  process.on("disconnect", () => process.exit())
}
