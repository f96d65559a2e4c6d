"""The URL of the PostgreSQL that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from watcher.config.env.settings import Settings


def external_url(settings: Settings) -> str:
    """Build the URL of the server at POSTGRES_HOST, in libpq's form, password included.

    Args:
        settings: `postgres_host` is a name, an address, or the folder of a unix socket.
    """
    user, password, database, host = (
        quote(part, safe="")
        for part in (
            settings.postgres_user,
            settings.postgres_password,
            settings.postgres_db,
            settings.postgres_host or "",
        )
    )
    if ":" in (settings.postgres_host or "") and not host.startswith("%2F"):
        host = f"[{host}]"  # an IPv6 address
    options = f"host={host}&port={settings.postgres_port}&sslmode={settings.postgres_sslmode}"
    files = (
        ("sslrootcert", settings.postgres_sslrootcert),
        ("sslcert", settings.postgres_sslcert),
        ("sslkey", settings.postgres_sslkey),
    )
    options += "".join(f"&{name}={quote(path, safe='')}" for name, path in files if path is not None)
    return f"postgresql://{user}:{password}@/{database}?{options}"
