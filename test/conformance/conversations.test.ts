import { conversations } from "../../src/conformance/promises/Conversations.ts"
import { keeps } from "./server.ts"

keeps(conversations)
