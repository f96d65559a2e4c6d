"""Compiles regular expressions with RE2."""

from __future__ import annotations

from typing import Any

import re2

from watcher.config.mistakes import shown
from watcher.text.redaction import quotable

# RE2's time is proportional to body times program; this limits the worst pattern to seconds on a full body.
MAX_REGEX_PROGRAM_STEPS = 5000

# The longest piece of a pattern that an error line quotes beside the whole pattern.
MAX_PIECE_CHARS = 40
_SYNTAX = "https://github.com/google/re2/wiki/Syntax"


class Patterns:
    """Compiles each pattern once, since 100,000 targets may share a few."""

    def __init__(self) -> None:
        """Start without patterns."""
        self._compiled: dict[str, Any] = {}

    def compiled(self, text: str) -> Any:
        """Return a compiled pattern.

        Args:
            text: in RE2's syntax.

        Returns:
            a pattern for bytes.

        Raises:
            ValueError: it cannot be used; the message quotes it and says why.
        """
        pattern = self._compiled.get(text)
        if pattern is None:
            pattern = self._compiled[text] = _compile(text)
        return pattern


def _compile(text: str) -> Any:
    if not text:
        raise ValueError("is empty; write a value, or remove the key")
    options = re2.Options()
    options.log_errors = False  # RE2 would write to stderr itself
    try:
        compiled = re2.compile(text.encode(), options=options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        problem = f"{shown(text)} is not a regular expression: {_quoting(reason, text)}; {_SYNTAX}"
        raise ValueError(problem) from error
    if compiled.programsize > MAX_REGEX_PROGRAM_STEPS:
        size = f"{compiled.programsize} steps, {MAX_REGEX_PROGRAM_STEPS} is the limit"
        raise ValueError(f"{shown(text)} is too large ({size}); simplify it")
    return compiled


def _quoting(reason: str, text: str) -> str:
    """Quote the piece of the pattern in RE2's message, so that a possible secret can be masked."""
    words, colon, piece = reason.partition(": ")
    is_of_use = colon and piece != text and len(piece) <= MAX_PIECE_CHARS and quotable(text) == text
    return f"{words}: {shown(piece)}" if is_of_use else words
