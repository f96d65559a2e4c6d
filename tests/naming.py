"""Names the item of a failed assertion."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def naming(one: object) -> Iterator[None]:
    """Add the item's name to an assertion that fails in the block."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"This was with {one!r}.")
        raise
