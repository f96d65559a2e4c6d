"""How the readers of an entry's parts tell what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

# Takes the path below the entry, as in `("headers", "Host")`, and what is wrong there.
Complain = Callable[[tuple[str | int, ...], str], None]
