import { Option } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

/** The unit that counts as one client: an IPv4 address, or the /64 network of an IPv6 address, all of which its owner has. */
export const sourceOf = (address: string): string =>
  Option.match(Option.getSuccess(NetAddress.ipFromString(address)), {
    onNone: () => address,
    onSome: (ip) => (NetAddress.isIpv6Address(ip) ? IpNetwork.format(IpNetwork.fromAddressUnsafe(ip, 64)) : address)
  })
