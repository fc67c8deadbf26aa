import type { Server } from "./Server.ts"

/** The promises of the documents about one subject. */
export interface Subject {
  readonly name: string
  /** The document that promises it, from the project's root. */
  readonly document: string
  /** By its name, each promise as a test that fails if the server breaks it. */
  readonly promises: Readonly<Record<string, (server: Server) => Promise<void>>>
}
