import { Layer } from "effect"
import { Draining } from "./Draining.ts"
import { LiveStreams } from "./LiveStreams.ts"

export const LiveStreamsLive = LiveStreams.layer.pipe(Layer.provideMerge(Draining.layer))
