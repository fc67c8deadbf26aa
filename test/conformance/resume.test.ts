import { resume } from "../../src/conformance/promises/Resume.ts"
import { keeps } from "./server.ts"

keeps(resume)
