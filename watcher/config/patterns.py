"""Regular expressions as users write them, compiled by RE2."""

from __future__ import annotations

from typing import Any

import re2

from watcher.config.mistakes import shown

# RE2 takes time proportional to body times program; this keeps the worst pattern to seconds on a full body.
MAX_REGEX_PROGRAM_STEPS = 5000


class Patterns:
    """Compiles patterns, each of them once: a hundred thousand targets look for the same few."""

    def __init__(self) -> None:
        """Begin with none."""
        self._compiled: dict[str, Any] = {}

    def compiled(self, text: str) -> Any:
        """Compile a pattern.

        Args:
            text: in RE2's syntax.

        Returns:
            a pattern for bytes.

        Raises:
            ValueError: it cannot be used; the message says why, and quotes it.
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
        problem = f"{shown(text)} is no regular expression: {reason}; https://github.com/google/re2/wiki/Syntax"
        raise ValueError(problem) from error
    if compiled.programsize > MAX_REGEX_PROGRAM_STEPS:
        size = f"{compiled.programsize} steps, {MAX_REGEX_PROGRAM_STEPS} is the limit"
        raise ValueError(f"{shown(text)} is too large ({size}); simplify it")
    return compiled
