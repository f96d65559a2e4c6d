"""Validates target addresses."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from watcher.text.host_names import ascii_host, is_ip

_UNWANTED = re.compile(r"[\x00-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202e\ud800-\udfff]")
_HOST_CHARS = re.compile(r"[A-Za-z0-9_-]+")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](:[0-9]*)?")
MAX_ADDRESS_CHARS = 8000


def complaint_about(address: str) -> str | None:
    """Return a complaint about an address that cannot be checked.

    Args:
        address: the value in the config file.

    Returns:
        the problem and its remedy, without secrets; None for a good http(s) URL.
    """
    if not address:
        return "is empty; write a URL, as in https://example.com/"
    if len(address) > MAX_ADDRESS_CHARS:
        return f"has {len(address)} characters; {MAX_ADDRESS_CHARS} is the limit"
    if _UNWANTED.search(address):
        return "has a space or an unprintable character; percent-encode it, as in %20"
    try:
        parts = urlsplit(address)
    except ValueError:  # its message quotes the address, which may have a password
        return "is not a URL; write one as in https://example.com:8443/"
    if parts.scheme not in {"http", "https"}:
        return "is not an http or https URL; write it as in https://example.com/"
    if "\\" in parts.netloc:
        return "has a backslash in its host; write it as in https://example.com/"
    if not parts.hostname:
        return "has no host; write it as in https://example.com/"
    if not _has_good_port(parts):
        return "has an invalid port after the colon; write one from 1 to 65535, as in https://example.com:8443/"
    host_and_port = parts.netloc.rpartition("@")[2]
    if "[" in host_and_port or "]" in host_and_port:
        match = _BRACKETED.fullmatch(host_and_port)
        good = match is not None and match[1].isascii() and is_ip(match[1])
        return (
            None if good else "has brackets, but not around an IPv6 address; write it as in http://[2001:db8::1]:8080/"
        )
    # Not `parts.hostname`, since Python lowers it by rules of its own.
    return _complaint_about_name(host_and_port.partition(":")[0])


def _has_good_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _complaint_about_name(host: str) -> str | None:
    name = host.removesuffix(".")
    if any(not label for label in name.split(".")):
        return f"has an empty part in its host {host!r}; remove the extra dot"
    try:
        ascii_name = ascii_host(name)
    except ValueError as error:  # IDNAError is one
        return f"has the host {host!r}, which is not a domain name: {error}"
    labels = ascii_name.split(".")
    if len(ascii_name) > 253 or any(len(label) > 63 for label in labels):
        return "has a host that is too long; the limit is 63 characters between two dots and 253 in total"
    if not all(_HOST_CHARS.fullmatch(label) for label in labels):
        return f"has the host {host!r}, which is not a domain name; use letters, digits, - and _"
    if labels[-1].isdigit() and len(labels) == 4 and not is_ip(ascii_name):
        return f"has the host {host!r}, which is not an IPv4 address"
    return None
