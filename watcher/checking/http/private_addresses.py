"""Which IP addresses belong to no site on the internet."""

from __future__ import annotations

import ipaddress

# Networks that hold an IPv4 address in their last 32 bits: IPv4-mapped (RFC 4291, section 2.5.5.2), IPv4-compatible
# (2.5.5.1) and NAT64 (RFC 6052, section 2.1; RFC 8215).
_IPV4_IN_LAST_BITS = tuple(
    ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")  # RFC 3056: the IPv4 address follows the first 16 bits


def is_private(ip: str) -> bool:
    """Tell whether an address is private, loopback, link-local, reserved or multicast, in whatever disguise.

    Args:
        ip: as a connected socket names its peer; a scope behind `%` is left out of account.
    """
    address = ipaddress.ip_address(ip.partition("%")[0])
    if not address.is_global or address.is_multicast:
        return True
    if isinstance(address, ipaddress.IPv6Address):
        if address in _SIX_TO_FOUR:
            return _is_private_ipv4(int(address) >> 80)
        if any(address in network for network in _IPV4_IN_LAST_BITS):
            return _is_private_ipv4(int(address))
    return False


def _is_private_ipv4(bits: int) -> bool:
    return is_private(str(ipaddress.IPv4Address(bits & 0xFFFF_FFFF)))
