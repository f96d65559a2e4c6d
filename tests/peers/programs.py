"""The foreign programs of this suite, which Debian packages; a missing one is an error."""

from __future__ import annotations

import shutil


def path_of(program: str, package: str) -> str:
    """Return the path of a program.

    Args:
        program: its name.
        package: the Debian package of it.

    Raises:
        AssertionError: it is not installed.
    """
    path = shutil.which(program)
    assert path is not None, f"there is no {program}: apt install {package}"
    return path
