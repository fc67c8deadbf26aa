import { lines } from "../../src/conformance/promises/Lines.ts"
import { keeps } from "./server.ts"

keeps(lines)
