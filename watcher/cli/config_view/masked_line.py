"""A line of a file as it may be shown: its parts, with a mask in the place of what may be a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len

from watcher.text.escaping import one_line
from watcher.text.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PART_CHARS = 2000
_TAB = "    "
_CUT = "…"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a line.

    Attributes:
        column: where it begins in the file, counted from 0.
        shown: what is shown of it, as it is in the file or masked.
        is_raw: whether it is shown as it is in the file, so that columns inside it can be told.
    """

    column: int
    shown: str
    is_raw: bool = True


@dataclass(frozen=True, slots=True)
class MaskedLine:
    """What may be shown of a line."""

    parts: tuple[Part, ...]

    @property
    def says_something(self) -> bool:
        """Whether anything is left beside masks and punctuation."""
        return any(char.isalnum() for part in self.parts for char in part.shown.replace(MASK, ""))

    def with_caret(self, column: int, max_columns: int) -> tuple[str, str]:
        """Return the line and the one below it, with the caret.

        Args:
            column: of the file, counted from 0.
            max_columns: the width of both, in columns of a terminal.
        """
        before, after = self._split(column)
        # What is before the caret may take two thirds, or all that is not needed behind it.
        room = max(max_columns * 2 // 3, max_columns - cell_len(after))
        if cell_len(before) > room:
            before = _CUT + _end_of(before, room - 1)
        if cell_len(before) + cell_len(after) > max_columns:
            after = _begin_of(after, max_columns - cell_len(before) - 1) + _CUT
        return f"{before}{after}".rstrip(), " " * cell_len(before) + "^"

    def _split(self, column: int) -> tuple[str, str]:
        before, after = "", ""
        for part, end in zip(self.parts, _ends(self.parts), strict=True):
            if end <= column:
                before += _safe(part.shown)
            elif part.column > column or not part.is_raw:
                after += _safe(part.shown)
            else:
                cut = column - part.column
                before += _safe(part.shown[:cut])
                after += _safe(part.shown[cut:])
        return before, after


def _ends(parts: Sequence[Part]) -> Iterable[float]:
    return [*(part.column for part in parts[1:]), *([_end(parts[-1])] if parts else [])]


def _end(part: Part) -> float:
    return part.column + len(part.shown) if part.is_raw else float("inf")


def _safe(text: str) -> str:
    return one_line(text.replace("\t", _TAB), limit_chars=MAX_PART_CHARS)


def _begin_of(text: str, max_columns: int) -> str:
    text = text[: max(max_columns, 0)]
    while cell_len(text) > max_columns:
        text = text[:-1]
    return text


def _end_of(text: str, max_columns: int) -> str:
    text = text[max(len(text) - max_columns, 0) :]
    while cell_len(text) > max_columns:
        text = text[1:]
    return text
