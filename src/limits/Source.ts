import { Option } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

/** What counts as one client: an address, but of IPv6 its network. Whoever has one address of that has them all. */
export const sourceOf = (address: string): string =>
  Option.match(Option.getSuccess(NetAddress.ipFromString(address)), {
    onNone: () => address,
    onSome: (ip) => (NetAddress.isIpv6Address(ip) ? IpNetwork.format(IpNetwork.fromAddressUnsafe(ip, 64)) : address)
  })
