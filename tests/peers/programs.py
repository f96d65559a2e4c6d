"""The foreign programs of this suite, which are Debian's; none is passed over."""

from __future__ import annotations

import shutil


def path_of(program: str, package: str) -> str:
    """Return where a program is.

    Args:
        program: its name.
        package: of Debian that has it.

    Raises:
        AssertionError: it is not installed.
    """
    path = shutil.which(program)
    assert path is not None, f"there is no {program}: apt install {package}"
    return path
