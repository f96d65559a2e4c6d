"""Mistakes in what a user wrote: collected, all told at once, one line each."""

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

# What the log says of them to machines.
A_MISTAKE = "the configuration has a mistake"
A_WARNING = "the configuration may surprise"

# The longest text names all keys that there are.
MAX_TEXT_CHARS = 1000

_NAME_AND_MORE = re.compile(
    r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]*)(?P<mark>[^!#$%&'*+.^_`|~0-9A-Za-z-])(?=.*\w).+", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file, or in the environment, a value stands.

    Attributes:
        source: the file's path as the user wrote it, or `environment`.
        line, column: counted from 1; None where there is no line, as for a file that cannot be read.
    """

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: its place, the key it is about, and what is wrong and what to do."""

    place: Place
    where: str
    text: str

    def __str__(self) -> str:
        where = f"{one_line(self.where)}: " if self.where else ""
        return f"{one_line(str(self.place))}: {where}{one_line(self.text, limit_chars=MAX_TEXT_CHARS)}"


def log_event_of(mistake: Mistake, event: str = A_MISTAKE) -> LogEvent:
    """Return an event for the log.

    Args:
        mistake: or what is none, and may surprise.
        event: which of both, `A_MISTAKE` or `A_WARNING`.
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
        mistakes: all that is wrong with it, in the order of the files.
        files: whose change may mend it; empty where nobody asks.
    """

    def __init__(self, mistakes: Iterable[Mistake], files: Iterable[Path] = ()) -> None:
        self.mistakes = tuple(mistakes)
        self.files = tuple(files)
        super().__init__("\n".join(map(str, self.mistakes)))


class Complain(Protocol):
    """Takes what is wrong in an entry."""

    def __call__(self, path: tuple[str | int, ...], text: str, *, key: bool = False) -> None:
        """Take a mistake.

        Args:
            path: below the entry, as in `("headers", "Host")`.
            text: what is wrong there and what to do.
            key: whether it is about the last key, and not about its value.
        """


def by_place(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Sort the mistakes of one file by line and column; those without a line come first."""
    return sorted(mistakes, key=lambda mistake: (mistake.place.line or 0, mistake.place.column or 0))


def dotted(path: Iterable[str | int]) -> str:
    """Write a path of keys and indexes as users read it, as in `urls[3].interval`.

    Of a key, what follows the first character that no name of a header may have is masked: of `{password:it}`, where a
    space was forgotten, YAML makes a key, and of `{Authorization Bearer it}` as well.
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_key(step)}" for step in path).removeprefix(".")


def _key(text: str) -> str:
    match = _NAME_AND_MORE.fullmatch(text)
    return f"{match['name']}{match['mark']}{MASK}" if match else text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the known word that is closest, or nothing where none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def shown(value: object) -> str:
    """Show a value that a user wrote, short enough for an error line.

    Lists and mappings are only named: they may be nested without end, and their text longer than all memory. What may
    be a secret in a text is masked.
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
