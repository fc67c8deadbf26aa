import { subscriptions } from "../../src/conformance/promises/Subscriptions.ts"
import { keeps } from "./server.ts"

keeps(subscriptions)
