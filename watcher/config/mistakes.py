"""Mistakes in the configuration: collected, then reported together, one line each."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from watcher.text.escaping import one_line
from watcher.text.log_events import LogEvent, OwnWords
from watcher.text.redaction import MASK, quotable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Python refuses to write a number of more than 4300 digits.
MAX_SHOWN_BITS = 10_000

# The `event` of a log line.
A_MISTAKE = "the configuration has a mistake"
A_WARNING = "the configuration has a warning"

# The longest text lists all known keys.
MAX_TEXT_CHARS = 1000

_NAME_AND_MORE = re.compile(
    r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]*)(?P<mark>[^!#$%&'*+.^_`|~0-9A-Za-z-])(?=.*\w).+", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a value in a file or in the environment.

    Attributes:
        source: the file's path as the user wrote it, or `environment`.
        line, column: counted from 1; None without a line, as for a file that cannot be read.
    """

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: its place, the key, and a text with the problem and its remedy."""

    place: Place
    where: str
    text: str

    def __str__(self) -> str:
        where = f"{one_line(self.where)}: " if self.where else ""
        return f"{one_line(str(self.place))}: {where}{one_line(self.text, limit_chars=MAX_TEXT_CHARS)}"


def log_event_of(mistake: Mistake, event: str = A_MISTAKE) -> LogEvent:
    """Return a mistake or a warning as a log event.

    Args:
        mistake: the mistake or warning.
        event: `A_MISTAKE` or `A_WARNING`.
    """
    place = mistake.place
    return LogEvent(
        str(mistake),
        event,
        file=one_line(place.source),
        line=place.line,
        column=place.column,
        where=one_line(mistake.where) or None,
        message=OwnWords(one_line(mistake.text, limit_chars=MAX_TEXT_CHARS)),
    )


class ConfigurationError(Exception):
    """The configuration cannot be used.

    Attributes:
        mistakes: all mistakes, in the order of the files.
        files: the files whose change may mend it; may be empty.
    """

    def __init__(self, mistakes: Iterable[Mistake], files: Iterable[Path] = ()) -> None:
        self.mistakes = tuple(mistakes)
        self.files = tuple(files)
        super().__init__("\n".join(map(str, self.mistakes)))


class Complain(Protocol):
    """Records a mistake in an entry."""

    def __call__(self, path: tuple[str | int, ...], text: str, *, key: bool = False) -> None:
        """Record a mistake.

        Args:
            path: of the value below the entry, as in `("headers", "Host")`.
            text: the problem and its remedy.
            key: whether the last key is wrong, not its value.
        """


def by_place(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Sort the mistakes of one file by line and column; those without a line come first."""
    return sorted(mistakes, key=lambda mistake: (mistake.place.line or 0, mistake.place.column or 0))


def dotted(path: Iterable[str | int]) -> str:
    """Format a path of keys and indexes for users, as in `urls[3].interval`.

    A key is masked from the first character that a header name cannot contain: YAML reads `{password:it}`, with a
    forgotten space, and `{Authorization Bearer it}` as one key.
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_key(step)}" for step in path).removeprefix(".")


def _key(text: str) -> str:
    match = _NAME_AND_MORE.fullmatch(text)
    return f"{match['name']}{match['mark']}{MASK}" if match else text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the closest known word, or an empty text if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def shown(value: object) -> str:
    """Format a value from the configuration for an error line.

    Lists and mappings are only named: aliases can nest them without end. Possible secrets in a text are masked.
    """
    if isinstance(value, str):
        value = quotable(value)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple, set)):
        return "a list"
    if isinstance(value, int) and value.bit_length() > MAX_SHOWN_BITS:
        return "a number of very many digits"
    return one_line(repr(value), limit_chars=80)
