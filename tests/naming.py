"""Which of many an assertion is about that failed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def naming(one: object) -> Iterator[None]:
    """Add to an assertion that fails in the block what it failed for."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"This was with {one!r}.")
        raise
