import { Data, type Effect, type Stream } from "effect"

/** The name under which the processes of XFChat tell each other what changed. */
export const channelName = "xfchat_changes"

/** The connection that carried payloads is gone, or could not be made. */
export class ChannelLost extends Data.TaggedError("ChannelLost")<{
  /** For the log: without any secret. */
  readonly reason: string
}> {}

/** A way to all processes, this one included. It holds for as long as its connection: then another one is made. */
export interface ChangeChannel {
  /** Hands payloads over. When it fails, some may have gone out. */
  readonly send: (payloads: ReadonlyArray<string>) => Effect.Effect<void, ChannelLost>
  /** What anybody has sent since the channel was made. */
  readonly received: Stream.Stream<string, ChannelLost>
}
