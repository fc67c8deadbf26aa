// Compiles schemas to code when they are first used, where the host allows it: a send costs some 8 % less.
import "effect/schema/SchemaJITCompiler/enable"
import { runMain, serveProcesses } from "./process/ServerProcess.ts"

runMain(serveProcesses)
