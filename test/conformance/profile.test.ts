import { profile } from "../../src/conformance/promises/Profile.ts"
import { keeps } from "./server.ts"

keeps(profile)
