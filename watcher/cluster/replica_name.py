"""The name of a replica for people, where nobody has given it one: made once, and kept."""

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
    """Return the name that is kept in a data folder; it is made where there is none, of the host and four digits.

    Two replicas on one machine, and those of a container that is always called the same, are told apart by the digits.

    Args:
        data_dir: of the replica, which nobody else uses.
        host: the name of this machine; its own by default.

    Returns:
        the name, another one at each start where it cannot be kept.
    """
    path = data_dir / "replica"
    start = one_line(host or socket.gethostname() or "watcher", limit_chars=MAX_HOST_CHARS)
    made = f"{start}-{secrets.token_hex(_DIGIT_BYTES)}"
    with suppress(OSError):  # as of a full disk: people see less of it, and nothing else is worse
        kept = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
        if kept and one_line(kept, limit_chars=len(kept)) == kept and len(kept) <= 2 * MAX_HOST_CHARS:
            return kept
        path.write_text(f"{made}\n", encoding="utf-8")
    return made
