import { Effect, Layer, Option, Redacted } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { createHash, timingSafeEqual } from "node:crypto"
import { Unauthorized } from "../contract/Account.ts"
import { Configuration } from "../platform/Configuration.ts"
import { DatabaseReport } from "./DatabaseReport.ts"

/** Compares digests, in constant time, so that timing does not reveal how much of a guess is right. */
const isSame = (one: string, other: string) => {
  const [a, b] = [one, other].map((text) => createHash("sha256").update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}

const requireToken = Effect.fnUntraced(function* (token: Redacted.Redacted) {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const [, given = ""] = /^bearer (.+)$/i.exec(headers["authorization"] ?? "") ?? []
  if (!isSame(given, Redacted.value(token))) {
    return yield* new Unauthorized({ detail: "Send `Authorization: Bearer <token>` with the value of ADMIN_TOKEN." })
  }
})

/** Routes for operators who have `ADMIN_TOKEN`. Without that variable they do not exist. They are not part of the contract. */
export const AdminHttp = Layer.unwrap(
  Effect.gen(function* () {
    const token = yield* Configuration.adminToken
    if (Option.isNone(token)) return Layer.empty
    const report = yield* DatabaseReport
    return HttpRouter.add(
      "GET",
      "/api/admin/database",
      requireToken(token.value).pipe(
        Effect.andThen(report.read),
        Effect.map((state) => HttpServerResponse.jsonUnsafe(state)),
        Effect.catch((error) => HttpServerRespondable.toResponse(error))
      )
    )
  })
)
