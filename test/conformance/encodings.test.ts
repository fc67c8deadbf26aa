import { encodingsOfStreams } from "../../src/conformance/promises/Encodings.ts"
import { keeps } from "./server.ts"

keeps(encodingsOfStreams)
