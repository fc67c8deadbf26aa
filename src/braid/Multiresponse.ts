import { formatVersion, type Version } from "./Version.ts"

/** The head of the response to a subscription. */
export interface Multiresponse {
  readonly status: 209
  readonly statusText: "Multiresponse"
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The head of the response to a subscription. The body begins with a blank line and is never compressed, since a compressor
 * holds updates back.
 *
 * @param options.currentVersion The newest version when the request arrived; a client that reaches it has caught up
 *   (braid-http-04, section 4.4).
 * @param options.heartbeats Seconds between heartbeats, if the request asked for them: the interval in use, not the one asked for.
 */
export const multiresponse = (options: {
  readonly currentVersion: Version
  readonly heartbeats?: number | undefined
}): Multiresponse => ({
  status: 209,
  statusText: "Multiresponse",
  headers: {
    Subscribe: "true",
    "Content-Type": "application/http-history",
    "Current-Version": formatVersion(options.currentVersion),
    ...(options.heartbeats === undefined ? {} : { Heartbeats: `${options.heartbeats}s` }),
    "Cache-Control": "no-cache, no-store, no-transform",
    // nginx, and proxies that follow it, would otherwise buffer updates.
    "X-Accel-Buffering": "no",
    // versions-05, section 2.8: a cache that does not know versions must not mix them up.
    Vary: "Version, Parents, Subscribe, Authorization"
  }
})
