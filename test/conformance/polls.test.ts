import { polls } from "../../src/conformance/promises/Polls.ts"
import { keeps } from "./server.ts"

keeps(polls)
