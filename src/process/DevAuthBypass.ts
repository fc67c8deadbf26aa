import { Console, Data, Effect, Layer } from "effect"
import { isLoopback, layerDevUsers } from "../auth/DevUsers.ts"
import { Configuration } from "../platform/Configuration.ts"

/** DEV_AUTH_BYPASS is on where others than this machine might reach the server. */
export class DevAuthBypassExposed extends Data.TaggedError("DevAuthBypassExposed")<{ readonly where: string }> {
  override get message() {
    return `DEV_AUTH_BYPASS=1 lets anybody be anybody, and ${this.where}: unset it, or start the server with SERVER_HOST=127.0.0.1.`
  }
}

const isOn = Effect.map(Configuration.devAuthBypass, (bypass) => bypass === "1")

/** Fails when anybody might be anybody, on a host that others may reach. Asked before all else. */
export const refuseOn = (host: string | undefined) =>
  Effect.flatMap(isOn, (on) => {
    if (!on || (host !== undefined && isLoopback(host))) return Effect.void
    const where = host === undefined ? "a fetch handler does not know who reaches it" : `others may reach ${host}`
    return Effect.fail(new DevAuthBypassExposed({ where }))
  })

const Warning = Layer.effectDiscard(
  Console.error(
    "[STARTUP] WARNING: DEV_AUTH_BYPASS is on. Whoever reaches this server is whoever they say in X-Dev-User. Never in production."
  )
)

/** The people of development, where DEV_AUTH_BYPASS is on. */
export const DevAuthBypass = Layer.unwrap(
  Effect.map(isOn, (on) => (on ? Layer.merge(Warning, layerDevUsers) : Layer.empty))
)
