import { Layer } from "effect"
import { DatabaseReport } from "./DatabaseReport.ts"
import { Health } from "./Health.ts"

export const OperationsLive = Layer.mergeAll(DatabaseReport.layer, Health.layer)
