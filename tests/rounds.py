"""How often a test repeats what is left to chance."""

from __future__ import annotations

import os


def rounds(few: int, many: int) -> int:
    """Return a few rounds, which each run has time for, or with `THOROUGH=1` in the environment as many as are named.

    Args:
        few: how many find nearly all that many find.
        many: how many there are where somebody looks for what is rare.
    """
    return many if os.environ.get("THOROUGH") == "1" else few
