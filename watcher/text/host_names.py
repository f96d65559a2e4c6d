"""Names of hosts as they go over the wire."""

from __future__ import annotations

import ipaddress

import idna

MAX_LABEL_CHARS = 63  # RFC 1035, section 2.3.4

# What would end the host inside an address (URL Standard, "forbidden host code point"), or is unprintable.
_FORBIDDEN = frozenset(map(chr, (*range(0x21), 0x7F))) | frozenset("#/:<>?@[\\]^|%")


def ascii_host(host: str) -> str:
    """Write a name in ASCII, as browsers do.

    Args:
        host: a name or an IPv4 address, in any script.

    Returns:
        what is ASCII already as it stands, in small letters; the rest as UTS 46 maps it, without its transitional
        forms, which also takes the emoji that IDNA 2008 refuses (URL Standard, "domain to ASCII").

    Raises:
        ValueError: it can be no name.
    """
    labels = [host.lower()]
    if not host.isascii():
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
        labels = [_ascii_label(label) for label in mapped.split(".")]
    name = ".".join(labels)
    if not _FORBIDDEN.isdisjoint(name):
        raise ValueError("a character stands in it that no name may have")
    return name


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    if len(label) > MAX_LABEL_CHARS:  # in ASCII it is longer still, and to find out takes the square of the time
        raise ValueError("a part of it is too long")
    idna.check_initial_combiner(label)
    idna.check_bidi(label)
    return "xn--" + label.encode("punycode").decode("ascii")


def is_ip(text: str) -> bool:
    """Tell whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
