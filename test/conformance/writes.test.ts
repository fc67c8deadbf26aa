import { writes } from "../../src/conformance/promises/Writes.ts"
import { keeps } from "./server.ts"

keeps(writes)
