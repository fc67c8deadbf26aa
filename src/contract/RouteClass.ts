import { Context } from "effect"

/** The classes of routes, each with a limit of its own. */
export const routeClasses = ["authentication", "reading", "writing", "sending", "streaming", "searching"] as const

export type RouteClass = (typeof routeClasses)[number]

/**
 * An annotation of an endpoint, or of a group: its class. What has none is `reading` or `writing`, as its method says.
 * What asks a route of `reading` for a stream is `streaming`.
 */
export class Limited extends Context.Service<Limited, RouteClass>()("xfchat/contract/Limited") {}
