import { Duration } from "effect"

/**
 * How late other processes hear a change: as late as this process hears its own payloads. One payload, the probe, counts as
 * on its way from the beginning, and after each loss of the channel, until it comes back.
 */
export class RoundTripLag {
  /** When each payload was sent that has not come back. They come back in order. */
  private readonly times = [performance.now()]

  /** On a new channel, over which the probe goes. Payloads of the last channel no longer come back. */
  begin(): void {
    this.times.splice(1)
  }

  sent(payloads: number): void {
    for (let n = 0; n < payloads; n++) this.times.push(performance.now())
  }

  returned(): void {
    this.times.shift()
  }

  /** On the loss of the channel. */
  lost(): void {
    if (this.times.length === 0) this.times.push(performance.now())
  }

  /** How long the oldest payload has been on its way. */
  get delay(): Duration.Duration {
    const [oldest] = this.times
    return Duration.millis(oldest === undefined ? 0 : performance.now() - oldest)
  }
}
