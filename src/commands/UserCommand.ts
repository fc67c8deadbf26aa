import { Console, Data, DateTime, Effect, Layer, Redacted, Schema, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Base64Url } from "effect/encoding"
import { randomBytes } from "node:crypto"
import { Email, Password, Username } from "../contract/Account.ts"
import { AccountAdmin } from "../accounts/AccountAdmin.ts"
import { Accounts } from "../auth/Accounts.ts"
import { LoginAttempts } from "../auth/LoginAttempts.ts"
import { Passwords } from "../auth/Passwords.ts"
import { Sessions } from "../auth/Sessions.ts"
import { Ownership } from "../conversations/Ownership.ts"
import { SystemMessages } from "../messages/SystemMessages.ts"
import { ChangeBus } from "../changes/ChangeBus.ts"
import * as CommandDatabase from "./CommandDatabase.ts"

const Services = Layer.mergeAll(Accounts.layer, AccountAdmin.layer).pipe(
  Layer.provide(Ownership.layer),
  Layer.provide(SystemMessages.layer),
  Layer.provide(Layer.mergeAll(Sessions.layer, ChangeBus.layerConfig, Passwords.layer, LoginAttempts.layer)),
  Layer.provide(CommandDatabase.layer)
)

/** Standard input has no valid password. It is not shown. */
export class PasswordRefused extends Data.TaggedError("PasswordRefused") {
  override readonly message =
    "The password on standard input is not valid: it must have at least 8 characters, and at most 1,024 bytes. Nothing was done."
}

/** Another account has the username or the e-mail address. */
export class AccountExists extends Data.TaggedError("AccountExists")<{ readonly what: string }> {
  override get message() {
    return `${this.what} belongs to another account (upper and lower case count as the same). Nothing was done.`
  }
}

const passwordStdin = Flag.Boolean("password-stdin").pipe(
  Flag.withDescription("Read the password from standard input. Without it, one is generated and printed once"),
  Flag.withDefault(false)
)

/** The password from standard input, without its line end, or a new one of 144 bits with the line to print. */
const choosePassword = Effect.fnUntraced(function* (fromStdin: boolean) {
  if (!fromStdin) {
    const generated = Base64Url.encode(randomBytes(18))
    return { password: Redacted.make(generated), said: `Password: ${generated}` }
  }
  const { stdin } = yield* Stdio.Stdio
  const given = yield* Stream.mkString(Stream.decodeText(stdin))
  const password = yield* Schema.decodeEffect(Password)(given.replace(/\r?\n$/, "")).pipe(
    Effect.mapError(() => new PasswordRefused())
  )
  return { password, said: undefined }
})

const say = (...lines: ReadonlyArray<string | undefined>) =>
  Console.log(lines.filter((line) => line !== undefined).join("\n"))

const name = Argument.String("NAME").pipe(Argument.withDescription("The username"))

const create = Command.make(
  "create",
  {
    username: name.pipe(Argument.withSchema(Username)),
    email: Argument.String("EMAIL").pipe(Argument.withDescription("The e-mail address"), Argument.withSchema(Email)),
    passwordStdin
  },
  ({ email, passwordStdin, username }) =>
    Effect.gen(function* () {
      const accounts = yield* Accounts
      const { password, said } = yield* choosePassword(passwordStdin)
      const { id } = yield* accounts.create({ username, email, password }).pipe(
        Effect.catchTags({
          UsernameTaken: () => new AccountExists({ what: `The username "${username}"` }),
          EmailTaken: () => new AccountExists({ what: `The e-mail address "${email}"` })
        })
      )
      yield* say(`Account ${username} (${id}) created.`, said)
    })
).pipe(
  Command.provide(Services),
  Command.withDescription("Create an account."),
  Command.withExamples([
    { command: "xfchat user create ada ada@example.com", description: "With a generated password, printed once" },
    {
      command: "xfchat user create ada ada@example.com --password-stdin < password.txt",
      description: "With the password in that file"
    }
  ])
)

const disable = Command.make("disable", { name }, ({ name }) =>
  Effect.gen(function* () {
    yield* (yield* AccountAdmin).disable(name)
    yield* say(`Account ${name} is disabled: its sessions have ended.`)
  })
).pipe(
  Command.provide(Services),
  Command.withDescription(
    "Disable an account: its sessions end, and nobody can sign in until it is enabled. Its messages stay; groups that it owns pass to others."
  )
)

const enable = Command.make("enable", { name }, ({ name }) =>
  Effect.gen(function* () {
    yield* (yield* AccountAdmin).enable(name)
    yield* say(`Account ${name} is enabled.`)
  })
).pipe(Command.provide(Services), Command.withDescription("Enable a disabled account. Its password is unchanged."))

const resetPassword = Command.make("reset-password", { name, passwordStdin }, ({ name, passwordStdin }) =>
  Effect.gen(function* () {
    const { password, said } = yield* choosePassword(passwordStdin)
    yield* (yield* AccountAdmin).resetPassword(name, password)
    yield* say(`Account ${name} has a new password: its sessions have ended.`, said)
  })
).pipe(
  Command.provide(Services),
  Command.withDescription("Give an account a new password, and end all its sessions."),
  Command.withExamples([
    { command: "xfchat user reset-password ada", description: "With a generated password, printed once" }
  ])
)

const list = Command.make("list", {}, () =>
  Effect.flatMap(AccountAdmin, ({ list }) =>
    Stream.runForEach(list, ({ createdAt, disabledAt, email, username }) =>
      say(
        `${username.padEnd(30)}  ${disabledAt === null ? "active  " : "disabled"}  ${DateTime.formatIso(createdAt)}  ${email ?? ""}`
      )
    )
  ).pipe(CommandDatabase.explainErrors)
).pipe(
  Command.provide(Services),
  Command.withDescription("List all accounts: username, active or disabled, creation time, e-mail address.")
)

export const user = Command.make("user").pipe(
  Command.withDescription("Create, disable, enable and list accounts, and reset passwords"),
  Command.withSubcommands([create, disable, enable, resetPassword, list])
)
