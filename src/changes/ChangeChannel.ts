import { Data, type Effect, type Stream } from "effect"

/** The channel of PostgreSQL or Redis on which the processes of XFChat publish changes. */
export const channelName = "xfchat_changes"

/** The connection of a channel ended, or could not be made. */
export class ChannelLost extends Data.TaggedError("ChannelLost")<{
  /** For the log, without any secret. */
  readonly reason: string
}> {}

/** A way to all processes, including this one. It ends with its connection. */
export interface ChangeChannel {
  /** Sends payloads. When this fails, some may have gone out. */
  readonly send: (payloads: ReadonlyArray<string>) => Effect.Effect<void, ChannelLost>
  /** The payloads of all processes since the channel was made. */
  readonly received: Stream.Stream<string, ChannelLost>
}
