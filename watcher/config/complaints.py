"""How the readers of an entry's parts tell what is wrong with it."""

from __future__ import annotations

from typing import Protocol


class Complain(Protocol):
    """Takes what is wrong in an entry."""

    def __call__(self, path: tuple[str | int, ...], text: str, *, key: bool = False) -> None:
        """Take a mistake.

        Args:
            path: below the entry, as in `("headers", "Host")`.
            text: what is wrong there and what to do.
            key: whether it is about the last key, and not about its value.
        """
