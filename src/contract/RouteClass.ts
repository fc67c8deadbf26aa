import { Context } from "effect"

/** The classes of routes, each with its own limit. */
export const routeClasses = ["authentication", "reading", "writing", "sending", "streaming", "searching"] as const

export type RouteClass = (typeof routeClasses)[number]

/**
 * Annotates an endpoint or a group with its class. Without it, an endpoint is `reading` or `writing` by its method. A request
 * for a stream on a `reading` route is `streaming`.
 */
export class Limited extends Context.Service<Limited, RouteClass>()("xfchat/contract/Limited") {}
