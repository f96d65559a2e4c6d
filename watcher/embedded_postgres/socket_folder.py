"""Chooses the folder of the embedded server's unix socket."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"

# The shortest sun_path of the supported systems (macOS: 104 with the final NUL).
MAX_SOCKET_PATH_BYTES = 103

# `unix_socket_directories` is a list with commas and quotes; these characters need no quotes.
_PLAIN_PATH = re.compile(r"[\w/. +~:@=-]*")


def socket_folder(server_folder: Path) -> Path:
    """Choose the folder of the socket.

    Args:
        server_folder: the server's own, absolute.

    Returns:
        that folder; if its path is too long for a socket or has characters that PostgreSQL would misread, one in the
        system's temporary folder, with a name derived from it.
    """
    plain = _PLAIN_PATH.fullmatch(str(server_folder)) is not None
    if plain and len(os.fsencode(server_folder / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES:
        return server_folder
    digest = hashlib.sha256(os.fsencode(server_folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"watcher-{digest}"
