import { HttpApiMiddleware } from "effect/http-api"
import {
  DatabaseUnavailable,
  InternalError,
  MalformedRequest,
  PayloadTooLarge,
  ServerBusy,
  UnsupportedMediaType,
  ValidationFailed
} from "./Problem.ts"

/** The failures that every endpoint may answer with, besides its own. */
export class Problems extends HttpApiMiddleware.Service<Problems>()("xfchat/Problems", {
  error: [
    MalformedRequest,
    ValidationFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    DatabaseUnavailable,
    ServerBusy,
    InternalError
  ]
}) {}
