"""How often a test with random steps is repeated."""

from __future__ import annotations

import os


def rounds(few: int, many: int) -> int:
    """Return a few rounds, for which each run has time, or with `THOROUGH=1` in the environment many.

    Args:
        few: the number that finds nearly everything.
        many: the number for somebody who looks for rare failures.
    """
    return many if os.environ.get("THOROUGH") == "1" else few
