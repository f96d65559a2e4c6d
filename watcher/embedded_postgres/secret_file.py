"""Writes files that only their owner may read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_secret(path: Path, secret: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
