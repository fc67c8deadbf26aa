import { receipts } from "../../src/conformance/promises/Receipts.ts"
import { keeps } from "./server.ts"

// Each waits for receipts, which come once a second.
keeps(receipts, { concurrent: true })
