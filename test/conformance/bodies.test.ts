import { bodies } from "../../src/conformance/promises/Bodies.ts"
import { keeps } from "./server.ts"

keeps(bodies)
