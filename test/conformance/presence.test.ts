import { presence } from "../../src/conformance/promises/Presence.ts"
import { keeps } from "./server.ts"

keeps(presence)
