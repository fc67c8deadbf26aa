import { http } from "../../src/conformance/promises/Http.ts"
import { keeps } from "./server.ts"

keeps(http)
