import { Layer } from "effect"
import { runMain, ServerProcess } from "./operations/ServerProcess.ts"

runMain(Layer.launch(ServerProcess))
