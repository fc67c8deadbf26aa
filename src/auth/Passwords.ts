import * as argon2 from "@node-rs/argon2"
import * as bcrypt from "@node-rs/bcrypt"
import { Context, Effect, Layer, Redacted, Semaphore } from "effect"
import { ServerBusy } from "../contract/Problem.ts"

/** argon2id as OWASP's Password Storage Cheat Sheet sets it: 19 MiB, 2 passes, 1 lane. */
const cost = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** How a hash of that cost begins. */
const current = "$argon2id$v=19$m=19456,t=2,p=1$"

/** A legacy hash, of a cost that takes no more than about a second: none that was made in earnest is costlier. */
const bcryptHash = /^\$2[abxy]\$(0[4-9]|1[0-4])\$/

/** A hash of that cost that no password has: comparing with it is the work alone. */
const bcryptDecoy = (cost: number) =>
  `$2b$${String(cost).padStart(2, "0")}$CwArU1wRTSN9MSPe.o13f.OCZJsKHmyz1xT4aDHmhrfXBcPCspn/.`

/** The work of one comparison: both algorithms, whatever is stored. */
export interface Comparison {
  /** An argon2 hash; `undefined` for one that no password has. */
  readonly argon2: string | undefined
  readonly bcrypt: ReadonlyArray<string>
}

/**
 * The work of comparing with a stored hash, where the costliest legacy hash of all accounts has `legacyCost` (0: there is
 * none). It is the same for every account, of either algorithm, and for nobody: bcrypt of cost n is twice that of n - 1, so
 * that a cheaper hash is filled up with one decoy of its own cost, and one of each cost above.
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

/** Hashes that run at once: more would take the cores from everything else. */
const concurrency = 2

/** Requests that may wait for a hash: at some 20 ms each, the last waits about a second. */
const maxWaiting = 100

/**
 * Password hashing, off the event loop (the library's thread pool) and bounded: beyond {@link maxWaiting} waiting
 * requests the next fails with {@link ServerBusy}.
 */
export class Passwords extends Context.Service<
  Passwords,
  {
    readonly hash: (password: Redacted.Redacted) => Effect.Effect<string, ServerBusy>
    /**
     * Whether `password` matches `stored`, argon2 or a legacy bcrypt hash. `undefined` stands for an account that is not
     * there: the same work is done, and the answer is no. `legacyCost` is the bcrypt cost of the costliest legacy hash of
     * all accounts, 0 for none. `outdated`: hash it again, now that the password is known.
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
            // Who hangs up leaves the queue, but a hash that has begun goes on, and keeps its place.
            Effect.uninterruptible,
            semaphore.withPermits(1),
            Effect.ensuring(Effect.sync(() => void (waiting -= 1)))
          )
        })

      // NFKC, so that the same password typed on two keyboards is the same.
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
        // A stored hash that is none never matches, and takes as long as one that is.
        const matches = yield* bounded(async () => {
          let matches = await argon2.verify(comparison.argon2 ?? absent, normalize(password)).catch(() => false)
          for (const hash of comparison.bcrypt) {
            // Legacy hashes were made from the password as it was typed. A decoy is no hash of any password.
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
