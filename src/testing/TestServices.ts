import { Layer } from "effect"
import { ServicesLive } from "../Server.ts"
import { TestDatabase } from "./TestDatabase.ts"

/** Every service on a new database, without HTTP. */
export const TestServices = ServicesLive.pipe(Layer.provideMerge(TestDatabase.layer))
