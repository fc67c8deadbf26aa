import { Schema } from "effect"
import { UserId } from "./Account.ts"
import { maxReceiptsListed, Position } from "./Conversation.ts"
import { described } from "./Description.ts"

/** How far a participant has received and read a conversation. */
export const Receipt = Schema.Struct({
  userId: UserId.pipe(described("The participant.")),
  deliveredSeq: Position.pipe(described("All messages up to this `seq` are delivered to them.")),
  readSeq: Position.pipe(described("All messages up to this `seq` are read by them."))
}).annotate({ identifier: "Receipt" })
export type Receipt = typeof Receipt.Type

/**
 * The receipts of a conversation, as one participant sees them: all of them, or in a conversation of more than
 * {@link maxReceiptsListed} the two lowest of each cursor, which is enough for {@link haveReached}.
 */
export const ReceiptList = Schema.Array(Receipt).check(Schema.isMaxLength(maxReceiptsListed))
export type ReceiptList = typeof ReceiptList.Type

/** Whether the cursors of all participants but the sender have reached a message. With nobody else, they have not. */
export const haveReached = (
  receipts: ReceiptList,
  cursor: "deliveredSeq" | "readSeq",
  { senderId, seq }: { readonly senderId: UserId | null; readonly seq: Position }
): boolean =>
  receipts.some(({ userId }) => userId !== senderId) &&
  receipts.every((receipt) => receipt.userId === senderId || receipt[cursor] >= seq)
