import { badInput } from "../../src/conformance/promises/BadInput.ts"
import { keeps } from "./server.ts"

keeps(badInput)
