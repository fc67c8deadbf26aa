import { Command, Flag } from "effect/cli"
import { development } from "../process/Development.ts"

const demo = Flag.Boolean("demo").pipe(
  Flag.withDescription("Create two demo accounts in the database of DATABASE_URL too, and print their tokens"),
  Flag.withDefault(false)
)

export const dev = Command.make("dev", { demo }, development).pipe(
  Command.withDescription(
    "Serve for development, on 127.0.0.1 unless SERVER_HOST is set. Without DATABASE_URL, it starts an embedded PostgreSQL that keeps its data and has two demo accounts."
  )
)
