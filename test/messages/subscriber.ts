export * from "../../src/conformance/Subscriber.ts"
