export * from "../../src/conformance/Connection.ts"
