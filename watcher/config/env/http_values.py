"""Parses the settings of the status page: its address, host names, credentials and trusted proxies."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from watcher.text.host_names import ascii_host

if TYPE_CHECKING:
    from collections.abc import Iterator

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HINT = "write HOST:PORT, as in 127.0.0.1:8080, or unix:/path, or off"
MIN_TOKEN_CHARS = 16


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where the page is served.

    Attributes:
        host: a name or an IP address, without brackets; empty for a unix socket.
        port: 0 for any free port.
        path: of the unix socket; empty for TCP.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """Format the address as users write it."""
        return f"unix:{self.path}" if self.path else authority(self.host, self.port)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return bool(self.path) or is_loopback(self.host)


def authority(host: str, port: int) -> str:
    """Format host and port for a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is a loopback one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_address(text: str) -> HttpAddress | None:
    """Parse the address to serve at; None for `off`."""
    if text == "off":
        return None
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or not path.isprintable():
            raise ValueError("is not a socket path; write an absolute path, as in unix:/run/watcher/page.sock")
        if len(path.encode()) > 100:  # the smallest limit of a system is 103
            raise ValueError("is too long for a socket path; write one of at most 100 bytes")
        return HttpAddress(path=path)
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ValueError(f"does not end in a port from 0 to 65535; {_HINT}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("is not an address and a port; write an IPv6 address in brackets, as in [::1]:8080")
    return HttpAddress(_host(host, _HINT), int(port))


def http_url(text: str) -> str | None:
    """Parse the public address of the page, and strip a final slash; None for an empty text."""
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not an address; write one as in https://status.example") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("is not an http or https address; write one as in https://status.example")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            "has more than a scheme, a host, a port and a path; remove the rest, as in https://status.example"
        )
    host = _host(parts.hostname, "write one as in https://status.example")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def host_names(text: str) -> tuple[str, ...]:
    """Parse host names into ASCII and lower case."""
    return tuple(
        _host(word, "write names with commas between, as in status.example,monitor.lan") for word in _words(text)
    )


def networks(text: str) -> tuple[Network, ...]:
    """Parse the addresses of proxies, each as a network."""
    try:
        return tuple(ipaddress.ip_network(word, strict=False) for word in _words(text))
    except ValueError:
        raise ValueError(
            "is not a list of IP addresses; write addresses or networks with commas between, as in 10.0.0.1,10.1.0.0/16"
        ) from None


def user_name(text: str) -> str | None:
    """Parse the user of basic auth (RFC 7617: without a colon); None for an empty text."""
    if ":" in text or not text.isprintable():
        raise ValueError("cannot be a user of basic auth; write a name without a colon")
    return text or None


def password(text: str) -> str | None:
    """Parse a password; None for an empty text."""
    return text or None


def token(text: str) -> str | None:
    """Parse a bearer token; None for an empty text."""
    if not text:
        return None
    if len(text) < MIN_TOKEN_CHARS or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"is not at least {MIN_TOKEN_CHARS} ASCII characters without blanks; make one with `openssl rand -hex 32`"
        )
    return text


def _host(text: str, hint: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        name = ascii_host(text)
    except ValueError:
        name = ""
    if not name or not all(0 < len(label) <= 63 for label in name.removesuffix(".").split(".")):
        raise ValueError(f"has an invalid host; {hint}")
    return name


def _words(text: str) -> Iterator[str]:
    return (word for part in text.split(",") if (word := part.strip()))
