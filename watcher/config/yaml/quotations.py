"""Quotes values in error lines as they are written (`${TOKEN}`), never with the values of variables.

The words around a quotation are our own. They stay as they are, even if a variable has the same value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watcher.config.mistakes import shown
from watcher.config.yaml.interpolation import literals_of, references_in, without_secret_defaults
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A value of this length does not occur in our own words by chance.
MIN_PIECE_CHARS = 8

# As `repr` writes them; a quotation that was cut lacks the quote at its end.
_QUOTATION = re.compile(r"(?<!\w)(?:'(?:[^'\\]|\\.)*(?:'|\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\Z))", re.DOTALL)
_NUMBER_OR_BOOLEAN = re.compile(
    r"\A(?:-?(?:[0-9.]+(?:e[-+]?[0-9]+)?|inf|nan)\b|True\b|False\b|a number of very many digits)"
)


def without_values(text: str, value: object, template: str, variables: Mapping[str, str]) -> str:
    """Replace quotations of a value by its template.

    Args:
        text: the error message. All parts of the value in it are quoted, or a number at the start. Quotations after
            `is not one of` and after the last semicolon are advice.
        value: the value after interpolation.
        template: the value as it is written.
        variables: values by name.
    """
    literals = literals_of(template)
    known = [*literals, *(repr(literal)[1:-1] for literal in literals)]

    def with_names(quotation: str) -> str | None:
        """Return a quotation with names in place of values; None if it has other text than the template."""
        for name in references_in(template):
            quotation = quotation.replace(variables.get(name) or "\0", f"${{{name}}}")
        pieces = re.split(r"\$\{\w+\}", quotation[1:-1])
        return quotation if all(any(piece in literal for literal in known) for piece in pieces) else None

    return _quoting(text, value, shown(without_secret_defaults(template)), with_names)


def without_anchored(text: str, value: object) -> str:
    """Replace quotations of a value by `this`: an alias repeats it where a secret may be."""
    return _quoting(text, value, "this", lambda _: None)


def _quoting(text: str, value: object, instead: str, with_names: Callable[[str], str | None]) -> str:
    """Replace the quotations of a value before the advice in a text, by `with_names` or else by `instead`."""
    if not isinstance(value, str):
        return _NUMBER_OR_BOOLEAN.sub(lambda _: instead, text)
    start = next((it for it in (shown(without_secrets(value)), shown(value)) if text.startswith(it)), "")
    end = _end_of_quotations(text)
    quotations = _QUOTATION.sub(lambda match: with_names(match[0]) or instead, text[len(start) : end])
    result = f"{instead if start else ''}{quotations}{text[end:]}"
    return f"{instead} cannot be used" if len(value) >= MIN_PIECE_CHARS and value in result else result


def _end_of_quotations(text: str) -> int:
    """Return where the advice of a text begins: at `is not one of`, or at the last semicolon."""
    end = len(text)
    for match in re.finditer(f"{_QUOTATION.pattern}|(?P<choice> is not one of )|(?P<semicolon>; )", text, re.DOTALL):
        if match["choice"]:
            return match.start()
        end = match.start() if match["semicolon"] else end
    return end
