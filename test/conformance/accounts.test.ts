import { accounts } from "../../src/conformance/promises/Accounts.ts"
import { keeps } from "./server.ts"

keeps(accounts)
