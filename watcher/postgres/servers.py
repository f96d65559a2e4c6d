"""The servers that a URL names: one, or several of which one takes writes; pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

# Of several servers, watcher uses the one that takes writes; a single server may have any role.
WRITABLE, ANY = "read-write", "any"


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers that may hold a database.

    Attributes:
        urls: one for each server, with its host and its port.
        wanted: the role, as in libpq's `target_session_attrs`; preferred roles come first.
    """

    urls: tuple[str, ...]
    wanted: tuple[str, ...]


def servers_of(url: str, *, reads: bool = False) -> Servers:
    """Split a URL of several servers, as libpq does: a single port applies to all.

    Args:
        url: built by `external_url`, or of one server.
        reads: whether it is only read from.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    wanted = options.pop("target_session_attrs", ANY)
    hosts = options.pop("host", "").split(",")
    ports = options.pop("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    urls = []
    for host, port in zip(hosts, ports, strict=True):
        one = {**({"host": host} if host else {}), **({"port": port} if port else {}), **options}
        urls.append(parts._replace(query=urlencode(one, quote_via=quote)).geturl())
    preferred = {"prefer-standby": ("standby", ANY), WRITABLE: (WRITABLE, ANY) if reads else (WRITABLE,)}
    return Servers(tuple(urls), preferred.get(wanted, (wanted,)))


def place_of(url: str) -> str:
    """Return the host and port of a URL's one server, for people."""
    options = dict(parse_qsl(urlsplit(url).query))
    return f"{options.get('host', 'localhost')}:{options.get('port', '5432')}"
