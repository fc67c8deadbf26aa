import { searches } from "../../src/conformance/promises/Search.ts"
import { keeps } from "./server.ts"

keeps(searches)
