import { generateKeyPairSync, sign, type KeyObject } from "node:crypto"

/** ASN.1 in DER, as much of it as a certificate takes. */
const der = (tag: number, ...contents: ReadonlyArray<Buffer>): Buffer => {
  const content = Buffer.concat(contents)
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}
const sequence = (...contents: ReadonlyArray<Buffer>) => der(0x30, ...contents)
const identifier = (hex: string) => der(0x06, Buffer.from(hex, "hex"))
const bits = (content: Buffer) => der(0x03, Buffer.of(0), content)
const time = (date: Date) => der(0x17, Buffer.from(`${date.toISOString().replace(/^..|[-:T]|\.\d+/g, "")}`))

const ecdsaWithSha256 = sequence(identifier("2a8648ce3d040302"))
const named = (name: string) => sequence(der(0x31, sequence(identifier("550403"), der(0x0c, Buffer.from(name)))))
const extension = (oid: string, value: Buffer) => sequence(identifier(oid), der(0x04, value))
const isAuthority = extension("551d13", sequence(der(0x01, Buffer.of(255))))
const isFor = (host: string) => extension("551d11", sequence(der(0x82, Buffer.from(host))))

const day = 86_400_000
let serial = 0

const certify = (subject: string, publicKey: KeyObject, issuer: string, issuerKey: KeyObject, extra: Buffer) => {
  const contents = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(++serial)),
    ecdsaWithSha256,
    named(issuer),
    sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + day))),
    named(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extra))
  )
  const certificate = sequence(contents, ecdsaWithSha256, bits(sign("sha256", contents, issuerKey)))
  return `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`
}

/** A certificate for a host from an unknown authority, valid for a day, with its key and the authority's certificate. */
export const makeCertificate = (host: string) => {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" })
  return {
    authority: certify("authority", authority.publicKey, "authority", authority.privateKey, isAuthority),
    certificate: certify("server", server.publicKey, "authority", authority.privateKey, isFor(host)),
    key: server.privateKey.export({ type: "pkcs8", format: "pem" })
  }
}
