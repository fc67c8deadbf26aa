import { Duration } from "effect"

/**
 * What a process sends to all, it hears too: how long that takes is how late the others hear of it. One payload, the
 * probe, is on its way from the beginning and after each loss of the channel, until it comes back.
 */
export const makeRoundTripLag = () => {
  // When each payload that has not come back was sent. They come back in order.
  const times = [performance.now()]
  return {
    /** A channel is there, and the probe goes out. What went by another channel does not come back any more. */
    begin: () => void times.splice(1),
    sent: (payloads: number) => {
      for (let n = 0; n < payloads; n++) times.push(performance.now())
    },
    returned: () => void times.shift(),
    lost: () => {
      if (times.length === 0) times.push(performance.now())
    },
    /** For how long the oldest payload has been on its way. */
    delay: () => Duration.millis(times[0] === undefined ? 0 : performance.now() - times[0])
  }
}
