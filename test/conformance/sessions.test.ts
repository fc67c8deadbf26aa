import { passwords, sessions } from "../../src/conformance/promises/Sessions.ts"
import { keeps } from "./server.ts"

keeps(sessions)
keeps(passwords)
