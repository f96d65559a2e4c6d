"""Parses the values of `.env`; the message of each ValueError follows the value in an error line."""

from __future__ import annotations

import math
from pathlib import Path

from watcher.config.schema.durations import seconds_in
from watcher.config.schema.limits import SHORTEST_INTERVAL_SECONDS
from watcher.model.places import complaint_about_location
from watcher.text.escaping import one_line

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSION_ATTRS = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
LOG_FORMATS = ("text", "json")

MAX_REPLICA_CHARS = 100

MIN_KEEP_DAYS, MAX_KEEP_DAYS = 1, 36_500
MIN_OUTBOX_BYTES, MAX_OUTBOX_BYTES = 16 * 2**20, 2**44
# No longer than rollups of minutes are kept: an entry must still find its minute.
MIN_OUTBOX_HOURS, MAX_OUTBOX_DAYS = 1, 7
MAX_KEEP_STORED_SECONDS = 3600.0


def seconds(text: str) -> float:
    """Parse the seconds of an interval."""
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("is not a number; write seconds, as in 10") from None
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError("is not a finite number above zero; write seconds, as in 10")
    if seconds < SHORTEST_INTERVAL_SECONDS:
        raise ValueError(f"is below {SHORTEST_INTERVAL_SECONDS:g}, the shortest interval; write more seconds")
    return seconds


def hosts(text: str) -> str | None:
    """Parse the hosts of PostgreSQL, separated by commas; None for the embedded one."""
    if not text.strip():
        return None
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not name or (":" in name and not name.startswith("/") and name.count(":") == 1):
            raise ValueError("is not a list of hosts; write only names or addresses here, and ports in POSTGRES_PORT")
    return ",".join(names)


def location(text: str) -> str:
    """Parse the name of a location."""
    complaint = complaint_about_location(text)
    if complaint is not None:
        raise ValueError(complaint)
    return text


def replica(text: str) -> str | None:
    """Parse the name of a replica; None for a generated name."""
    if one_line(text, limit_chars=MAX_REPLICA_CHARS) != text:
        raise ValueError(f"is not a name; write one line of at most {MAX_REPLICA_CHARS} printable characters")
    return text or None


def path(text: str) -> Path:
    """Parse a path."""
    if not text.isprintable():
        raise ValueError("has an unprintable character; write a path without one")
    return Path(text)


def file(text: str) -> str | None:
    """Parse the path of a file; None for an empty text."""
    return str(path(text)) if text else None


def count(text: str) -> int:
    """Parse a number of workers."""
    count = _whole_number(text)
    if not 1 <= count <= 1_000_000:
        raise ValueError("is not a whole number from 1 to 1000000; write how many checks may be in flight, as in 10")
    return count


def ports(text: str) -> tuple[int, ...]:
    """Parse one or more ports, separated by commas."""
    found = tuple(_whole_number(part.strip()) for part in text.split(","))
    if not all(1 <= port <= 65535 for port in found):
        raise ValueError("is not a port; write a whole number from 1 to 65535, as in 5432")
    return found


def session_attrs(text: str) -> str | None:
    """Parse the required kind of PostgreSQL server; None for the default by the number of hosts."""
    if text and text not in SESSION_ATTRS:
        raise ValueError(f"is not one of {', '.join(SESSION_ATTRS)}; write one of these")
    return text or None


def keep_seconds(text: str) -> float:
    """Parse how long failures are kept; return seconds."""
    seconds = seconds_in(text)
    if not MIN_KEEP_DAYS * 86_400 <= seconds <= MAX_KEEP_DAYS * 86_400:
        raise ValueError(f"is not from {MIN_KEEP_DAYS}d to {MAX_KEEP_DAYS}d; write how long to keep, as in 400d")
    return seconds


def outbox_bytes(text: str) -> int:
    """Parse the size limit of the outbox in bytes."""
    count = _whole_number(text)
    if not MIN_OUTBOX_BYTES <= count <= MAX_OUTBOX_BYTES:
        raise ValueError(
            f"is not a whole number from {MIN_OUTBOX_BYTES} (16 MiB) to {MAX_OUTBOX_BYTES} (16 TiB);"
            " write how many bytes the outbox may take, as in 1073741824"
        )
    return count


def outbox_seconds(text: str) -> float:
    """Parse the age limit of entries in the outbox; return seconds."""
    seconds = seconds_in(text)
    if seconds < MIN_OUTBOX_HOURS * 3600:
        raise ValueError(f"is below {MIN_OUTBOX_HOURS}h; write how long an entry may wait in the outbox, as in 7d")
    if seconds > MAX_OUTBOX_DAYS * 86_400:
        raise ValueError(f"is above {MAX_OUTBOX_DAYS}d, how long rollups of minutes are kept; write less")
    return seconds


def keep_stored_seconds(text: str) -> float:
    """Parse how long the outbox keeps stored entries; return seconds."""
    seconds = seconds_in(text)
    if seconds > MAX_KEEP_STORED_SECONDS:
        raise ValueError("is above 1h; write how long the outbox keeps entries that PostgreSQL has stored, as in 1m")
    return seconds


def _whole_number(text: str) -> int:
    """Return the number, or -1 if the text is not one or has too many digits for any key."""
    return int(text) if len(text) <= 14 and text.isascii() and text.isdigit() else -1


def ssl_mode(text: str) -> str:
    """Parse one of libpq's TLS modes."""
    if text not in SSL_MODES:
        raise ValueError(f"is not one of {', '.join(SSL_MODES)}; write one of these")
    return text


def log_format(text: str) -> str:
    """Parse a log format."""
    if text not in LOG_FORMATS:
        raise ValueError(f"is not one of {', '.join(LOG_FORMATS)}; write one of these")
    return text


def on_or_off(text: str) -> bool:
    """Parse `on` or `off`."""
    if text not in {"on", "off"}:
        raise ValueError("is neither on nor off; write one of them")
    return text == "on"
