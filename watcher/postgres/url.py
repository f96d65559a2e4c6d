"""Builds the URL of the PostgreSQL that the settings name, on one server or several."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from watcher.postgres.servers import ANY, WRITABLE

if TYPE_CHECKING:
    from watcher.config.env.settings import Settings


def external_url(settings: Settings) -> str:
    """Build the URL of the servers at POSTGRES_HOST, in libpq's form, password included.

    Args:
        settings: `postgres_host` has names, addresses, or folders of unix sockets, separated by commas.
    """
    user, password, database = (
        quote(part, safe="") for part in (settings.postgres_user, settings.postgres_password, settings.postgres_db)
    )
    hosts = (settings.postgres_host or "").split(",")
    wanted = settings.postgres_target_session_attrs or (ANY if len(hosts) == 1 else WRITABLE)
    options = (
        f"host={','.join(map(_quoted_host, hosts))}&port={','.join(map(str, settings.postgres_ports))}"
        f"&sslmode={settings.postgres_sslmode}&target_session_attrs={wanted}"
    )
    files = (
        ("sslrootcert", settings.postgres_sslrootcert),
        ("sslcert", settings.postgres_sslcert),
        ("sslkey", settings.postgres_sslkey),
    )
    options += "".join(f"&{name}={quote(path, safe='')}" for name, path in files if path is not None)
    return f"postgresql://{user}:{password}@/{database}?{options}"


def places_of(settings: Settings) -> str:
    """Return each host of POSTGRES_HOST with its port, for people."""
    hosts, ports = (settings.postgres_host or "").split(","), settings.postgres_ports
    return ",".join(f"{host}:{port}" for host, port in zip(hosts, ports * len(hosts), strict=False))


def _quoted_host(host: str) -> str:
    quoted = quote(host, safe="")
    return f"[{quoted}]" if ":" in host and not host.startswith("/") else quoted  # an IPv6 address
