"""The default name of a replica: created once, then read from the data folder."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from pathlib import Path

MAX_HOST_CHARS = 60
_DIGIT_BYTES = 2


def kept_name(data_dir: Path, host: str | None = None) -> str:
    """Return the name stored in a data folder; if missing, create one from the host name and four digits.

    The digits distinguish two replicas on one machine, and containers that share a host name.

    Args:
        data_dir: of this replica alone.
        host: the name of this machine; its own by default.

    Returns:
        the name; a different one at each start if it cannot be stored.
    """
    path = data_dir / "replica"
    start = one_line(host or socket.gethostname() or "watcher", limit_chars=MAX_HOST_CHARS)
    made = f"{start}-{secrets.token_hex(_DIGIT_BYTES)}"
    with suppress(OSError):  # for example a full disk: only people notice
        kept = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
        if kept and one_line(kept, limit_chars=len(kept)) == kept and len(kept) <= 2 * MAX_HOST_CHARS:
            return kept
        path.write_text(f"{made}\n", encoding="utf-8")
    return made
