import { HttpApiMiddleware } from "effect/http-api"
import {
  DatabaseUnavailable,
  HeadersTooLarge,
  InternalError,
  MalformedRequest,
  PayloadTooLarge,
  RequestTimeout,
  ServerBusy,
  UnsupportedMediaType,
  UriTooLong,
  ValidationFailed
} from "./Problem.ts"

/** The errors that any endpoint may answer with, in addition to its own. */
export class Problems extends HttpApiMiddleware.Service<Problems>()("xfchat/contract/Problems", {
  error: [
    MalformedRequest,
    ValidationFailed,
    RequestTimeout,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    HeadersTooLarge,
    DatabaseUnavailable,
    ServerBusy,
    InternalError
  ]
}) {}
