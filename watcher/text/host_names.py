"""Converts host names to the form sent over the network."""

from __future__ import annotations

import ipaddress

import idna

MAX_LABEL_CHARS = 63  # RFC 1035, section 2.3.4

# Characters that would end the host inside an address (URL Standard, "forbidden host code point") or are unprintable.
_FORBIDDEN = frozenset(map(chr, (*range(0x21), 0x7F))) | frozenset("#/:<>?@[\\]^|%")


def ascii_host(host: str) -> str:
    """Convert a host name to ASCII, as browsers do.

    Args:
        host: a name or an IPv4 address, in any script.

    Returns:
        a name that is already ASCII, in lower case; any other name mapped by UTS 46 without its transitional forms,
        which also accepts the emoji that IDNA 2008 refuses (URL Standard, "domain to ASCII").

    Raises:
        ValueError: it cannot be a host name.
    """
    labels = [host.lower()]
    if not host.isascii():
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
        labels = [_ascii_label(label) for label in mapped.split(".")]
    name = ".".join(labels)
    if not _FORBIDDEN.isdisjoint(name):
        raise ValueError("it contains a character that a host name must not have")
    return name


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    if len(label) > MAX_LABEL_CHARS:  # its ASCII form is longer still, and computing it takes quadratic time
        raise ValueError("one of its labels is too long")
    idna.check_initial_combiner(label)
    idna.check_bidi(label)
    return "xn--" + label.encode("punycode").decode("ascii")


def is_ip(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
