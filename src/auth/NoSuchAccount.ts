import { Data } from "effect"

/** Nobody has this username, or the account was deleted. */
export class NoSuchAccount extends Data.TaggedError("NoSuchAccount")<{ readonly username: string }> {
  override get message() {
    return `There is no account "${this.username}": give the username, not the e-mail address; \`xfchat user list\` shows all.`
  }
}
