export * from "../../src/conformance/Stream.ts"
