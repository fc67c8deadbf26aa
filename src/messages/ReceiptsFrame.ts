import type { ReceiptList } from "../contract/Receipt.ts"
import type { Encoding } from "../live/Encoding.ts"

/** The receipts of a conversation, encoded once for all subscribers at the same version. */
export class ReceiptsFrame {
  /** JSON. */
  readonly body: string
  private readonly encoded = new Map<Encoding, { readonly version: string; readonly bytes: Uint8Array }>()

  constructor(receipts: ReceiptList) {
    this.body = JSON.stringify(receipts)
  }

  encode(encoding: Encoding, version: string): Uint8Array {
    const latest = this.encoded.get(encoding)
    if (latest?.version === version) return latest.bytes
    const bytes = encoding.member("receipts", version, this.body)
    this.encoded.set(encoding, { version, bytes })
    return bytes
  }
}
