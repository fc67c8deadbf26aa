import * as argon2 from "@node-rs/argon2"
import * as bcrypt from "@node-rs/bcrypt"
import { Context, Effect, Layer, Redacted, Semaphore } from "effect"
import { ServerBusy } from "../contract/Problem.ts"

/**
 * The password hash that its owner has just verified. A change with it succeeds only while the hash is still in force, so that
 * a password change in between wins.
 */
export type PasswordProof = Redacted.Redacted

/** argon2id as OWASP's Password Storage Cheat Sheet sets it: 19 MiB, 2 passes, 1 lane. */
const cost = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** The beginning of every hash of that cost. */
const current = "$argon2id$v=19$m=19456,t=2,p=1$"

/** A legacy hash. A cost above 14 takes more than about a second, and was never in real use. */
const bcryptHash = /^\$2[abxy]\$(0[4-9]|1[0-4])\$/

/** A hash of that cost that matches no password: comparing with it only takes the time. */
const bcryptDecoy = (cost: number) =>
  `$2b$${String(cost).padStart(2, "0")}$CwArU1wRTSN9MSPe.o13f.OCZJsKHmyz1xT4aDHmhrfXBcPCspn/.`

/** The hashes that one verification compares a password with: of both algorithms, whatever is stored. */
export interface Comparison {
  /** `undefined` stands for a hash that matches no password. */
  readonly argon2: string | undefined
  readonly bcrypt: ReadonlyArray<string>
}

/**
 * The work of verifying a password, where `legacyCost` is the bcrypt cost of the costliest legacy hash of all accounts, and 0
 * if there is none. It is the same for accounts of either algorithm and for logins without an account. bcrypt of cost n takes
 * twice as long as of n - 1, so a cheaper hash is topped up with one decoy of its own cost and one of each cost above.
 */
export const comparisonWith = (stored: string | undefined, legacyCost: number): Comparison => {
  const cost = Number(stored === undefined ? 0 : (bcryptHash.exec(stored)?.[1] ?? 0))
  if (stored === undefined || cost === 0) {
    return {
      argon2: stored?.startsWith("$argon2") === true ? stored : undefined,
      bcrypt: legacyCost > 0 ? [bcryptDecoy(legacyCost)] : []
    }
  }
  const decoys = Array.from({ length: Math.max(0, legacyCost - cost) }, (_, index) => bcryptDecoy(cost + index))
  return { argon2: undefined, bcrypt: [stored, ...decoys] }
}

/** Hashes that run at the same time. More would take the cores from everything else. */
const concurrency = 2

/** Requests that may wait for a hash. At some 20 ms each, the last one waits about a second. */
const maxWaiting = 100

/**
 * Password hashing, in the library's thread pool and not on the event loop. When {@link maxWaiting} requests are waiting, the
 * next one fails with {@link ServerBusy}.
 */
export class Passwords extends Context.Service<
  Passwords,
  {
    readonly hash: (password: Redacted.Redacted) => Effect.Effect<string, ServerBusy>
    /**
     * Whether `password` matches `stored`, an argon2 or a legacy bcrypt hash; `undefined` stands for an account that does
     * not exist, takes as long, and never matches. For `legacyCost` see {@link comparisonWith}. An `outdated` hash is to be
     * renewed while the password is at hand.
     */
    readonly verify: (
      password: Redacted.Redacted,
      stored: string | undefined,
      legacyCost?: number
    ) => Effect.Effect<{ readonly matches: boolean; readonly outdated: boolean }, ServerBusy>
  }
>()("xfchat/auth/Passwords") {
  static readonly layer = Layer.effect(
    Passwords,
    Effect.gen(function* () {
      const semaphore = yield* Semaphore.make(concurrency)
      let waiting = 0

      const bounded = <A>(work: () => Promise<A>): Effect.Effect<A, ServerBusy> =>
        Effect.suspend(() => {
          if (waiting >= maxWaiting) return Effect.fail(new ServerBusy({ detail: "Try again in a moment." }))
          waiting += 1
          return Effect.promise(work).pipe(
            // A client that disconnects leaves the queue, but a hash that has begun goes on and keeps its permit.
            Effect.uninterruptible,
            semaphore.withPermits(1),
            Effect.ensuring(Effect.sync(() => void (waiting -= 1)))
          )
        })

      // NFKC makes the same password typed on two keyboards equal.
      const normalize = (password: Redacted.Redacted) => Redacted.value(password).normalize("NFKC")

      const hash = Effect.fn("Passwords.hash")((password: Redacted.Redacted) =>
        bounded(() => argon2.hash(normalize(password), cost))
      )

      const absent = yield* hash(Redacted.make(crypto.randomUUID()))

      const verify = Effect.fn("Passwords.verify")(function* (
        password: Redacted.Redacted,
        stored: string | undefined,
        legacyCost = 0
      ) {
        const comparison = comparisonWith(stored, legacyCost)
        // A malformed stored hash never matches, and takes as long as a valid one.
        const matches = yield* bounded(async () => {
          let matches = await argon2.verify(comparison.argon2 ?? absent, normalize(password)).catch(() => false)
          for (const hash of comparison.bcrypt) {
            // Legacy hashes were made of the password as typed, without NFKC.
            const isEqual = await bcrypt.verify(Redacted.value(password), hash).catch(() => false)
            if (hash === stored) matches = isEqual
          }
          return matches
        })
        return { matches: matches && stored !== undefined, outdated: stored?.startsWith(current) !== true }
      })

      return Passwords.of({ hash, verify })
    })
  )
}
