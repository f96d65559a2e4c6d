"""Fills in `${VAR}` in the values of config files: before YAML resolves the kind of the value, and only once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watcher.config.mistakes import did_you_mean
from watcher.config.schema.secret_keys import looks_secret
from watcher.text.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The bound of the characters that variables and aliases add to one file: a short file could otherwise fill the memory.
MAX_EXPANDED_CHARS = 64 * 2**20

# A dollar sign without `{` or `$` after it is text: patterns end in it. The last branch matches broken references.
_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}|\{[^}]*\}?)")
_NAME_IN_BYTES = re.compile(rb"\$\{([A-Za-z_][A-Za-z0-9_]*)")
# A NUL, or what Python makes of a byte that is not UTF-8.
UNUSABLE = re.compile(r"[\x00\ud800-\udfff]")


def names_in(content: bytes) -> set[str]:
    """Return the names of the variables in the bytes of a config file, which may be invalid YAML."""
    return {name.decode("ascii") for name in _NAME_IN_BYTES.findall(content)}


def references_in(text: str) -> set[str]:
    """Return the names of the variables in a value."""
    return {match["name"] for match in _REFERENCE.finditer(text) if match["name"]}


class TooMuchError(Exception):
    """Variables and aliases add more characters to a config file than its bound allows."""


class Interpolator:
    """Fills variables into values."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Start before the first value.

        Args:
            variables: their values by name.
        """
        self._variables = variables
        self._left_chars = MAX_EXPANDED_CHARS

    def charge(self, chars: int) -> None:
        """Count characters beyond the length of the file.

        Raises:
            TooMuchError: all together are more than the bound.
        """
        self._left_chars -= chars
        if self._left_chars < 0:
            raise TooMuchError

    def filled(self, text: str) -> str:
        """Return a text with its variables filled in.

        Raises:
            ValueError: it cannot be; the message says why, and has no value of a variable in it.
            TooMuchError: it would be longer than the bound.
        """
        return "".join(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[str]:
        end = 0
        for match in _REFERENCE.finditer(text):
            piece = "$" if match["dollar"] else self._value(match)
            self.charge(len(piece))
            yield text[end : match.start()]
            yield piece
            end = match.end()
        yield text[end:]

    def _value(self, match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        # The message does not quote the text, which may be part of a password with a dollar sign.
        if name is None:
            raise ValueError("has a ${ that names no variable; write ${NAME} or ${NAME:-default}, or $${ for the text")
        if default is not None and "${" in default:
            raise ValueError(f"${{{name}}} has a reference in its default; write one variable after the other")
        value = self._variables.get(name)
        if default is not None and not value:
            return _text_of_default(default)
        if value is None:
            advice = did_you_mean(name, self._variables) or f"; set it, or write a default, as in ${{{name}:-x}}"
            if f"{name}_FILE" in self._variables:
                advice = f"; set {name} itself, as only keys of the settings can be in a file that {name}_FILE names"
            raise ValueError(f"${{{name}}} is set neither in the environment nor in .env{advice}")
        if UNUSABLE.search(value):
            raise ValueError(f"${{{name}}} has a NUL, or a byte that is not UTF-8; set it to plain text")
        return value


def literals_of(template: str) -> list[str]:
    """Return the text before, between and after the variables of a template."""
    return _REFERENCE.sub("\0", template).split("\0")


def without_secret_defaults(template: str) -> str:
    """Mask the defaults of variables with names of secrets."""
    return _REFERENCE.sub(_without_secret_default, template)


def _without_secret_default(match: re.Match[str]) -> str:
    name, default = match["name"], match["default"]
    is_secret = default is not None and default != ":-" and looks_secret(name)
    return f"${{{name}:-{MASK}}}" if is_secret else match[0]


def _text_of_default(default: str) -> str:
    return default.removeprefix(":-").replace("$$", "$")
