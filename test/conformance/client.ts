export * from "../../src/conformance/Client.ts"
