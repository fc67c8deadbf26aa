import { deletion } from "../../src/conformance/promises/Deletion.ts"
import { keeps } from "./server.ts"

keeps(deletion)
