import { Console, Data, Effect, Layer } from "effect"
import { isLoopback, layerDevUsers } from "../auth/DevUsers.ts"
import { Configuration } from "../platform/Configuration.ts"

/** DEV_AUTH_BYPASS is on, and other machines might reach the server. */
export class DevAuthBypassExposed extends Data.TaggedError("DevAuthBypassExposed")<{ readonly where: string }> {
  override get message() {
    return `DEV_AUTH_BYPASS=1 lets anyone act as any user, and ${this.where}: unset it, or start the server with SERVER_HOST=127.0.0.1.`
  }
}

const isOn = Effect.map(Configuration.devAuthBypass, (bypass) => bypass === "1")

/** Fails if DEV_AUTH_BYPASS is on and other machines may reach the host. It runs before anything else. */
export const refuseOn = (host: string | undefined) =>
  Effect.flatMap(isOn, (on) => {
    if (!on || (host !== undefined && isLoopback(host))) return Effect.void
    const where = host === undefined ? "a fetch handler cannot tell who reaches it" : `other machines may reach ${host}`
    return Effect.fail(new DevAuthBypassExposed({ where }))
  })

const Warning = Layer.effectDiscard(
  Console.error(
    "[STARTUP] WARNING: DEV_AUTH_BYPASS is on. Anyone who reaches this server can act as any user by sending X-Dev-User. Never use it in production."
  )
)

/** The development users, if DEV_AUTH_BYPASS is on. */
export const DevAuthBypass = Layer.unwrap(
  Effect.map(isOn, (on) => (on ? Layer.merge(Warning, layerDevUsers) : Layer.empty))
)
