export interface User {
  readonly id: string
  readonly username: string
  readonly email: string
  readonly displayName: string | null
  readonly createdAt: string
}

export interface SignedIn {
  readonly token: string
  readonly expiresAt: string
  readonly user: User
}

/**
 * People who have signed up, for tests in which only a conversation must be new. Sign-ups are slow and limited, so people are used
 * again, but two of them meet once only.
 */
export class People {
  private people: Array<SignedIn> = []
  private readonly met = new Set<string>()

  /** Two people who have not met. */
  async pair(signUp: () => Promise<SignedIn>): Promise<readonly [SignedIn, SignedIn]> {
    for (;;) {
      for (const [index, second] of this.people.entries()) {
        for (const first of this.people.slice(0, index)) {
          const meeting = `${first.user.id} ${second.user.id}`
          if (this.met.has(meeting)) continue
          this.met.add(meeting)
          return [first, second]
        }
      }
      this.people.push(await signUp())
    }
  }

  /** Leaves everybody alone from now on: a test has failed, and may have left them in any state. */
  forget(): void {
    this.people = []
  }
}
