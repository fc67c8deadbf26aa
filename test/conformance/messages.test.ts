import { messages } from "../../src/conformance/promises/Messages.ts"
import { keeps } from "./server.ts"

keeps(messages)
