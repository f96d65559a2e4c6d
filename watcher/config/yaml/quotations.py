"""What error lines quote of a value that variables were put into: each is named in the place of its value.

The words around a quotation are this program's own, and stay as they are, whatever a variable has in common with them.
What aliases repeat where a secret may stand is not quoted at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from watcher.config.mistakes import shown
from watcher.config.yaml.interpolation import parts_of, without_secret_defaults
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Where a library has changed what it quotes, a whole value is looked for from so many characters on, and a piece of one
# from so many: fewer could stand there by chance.
MIN_WHOLE_CHARS = 3
MIN_PIECE_CHARS = 8

# As `repr` writes them; what is cut has no quote at its end. What follows the last semicolon is advice.
_QUOTATION = re.compile(r"(?<!\w)(?:'(?:[^'\\]|\\.)*(?:'|\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\Z))", re.DOTALL)
_QUOTATION_OR_MARK = re.compile(rf"{_QUOTATION.pattern}|(?P<choice> is not one of )|(?P<semicolon>; )", re.DOTALL)
_ESCAPED_QUOTE = re.compile(r"\\(.)", re.DOTALL)
_NO_TEXT = re.compile(r"-?(?:[0-9.]+(?:e[-+]?[0-9]+)?|inf|nan)\b|True\b|False\b|a number of very many digits")
_ESCAPED_TIMES = (1, 2, 0)


def without_values(text: str, value: object, template: str, variables: Mapping[str, str]) -> str:
    """Take the values of variables out of what is said of a value.

    Args:
        text: what is said; whatever it has of the value is in quotes, unless it is a number at the beginning.
        value: with its variables put in.
        template: as it is written.
        variables: their values by name.
    """
    safe = without_secret_defaults(template)
    if not isinstance(value, str):
        return _NO_TEXT.sub(lambda match: shown(safe) if match.start() == 0 else match[0], text, count=1)
    quoted = _Quoted(template, variables)
    forms = {form(value): form(safe) for form in (lambda it: shown(without_secrets(it)), shown)}
    begin = ""
    for form, instead in forms.items():
        if text.startswith(form):
            begin, text = instead, text[len(form) :]
            break
    end = _end_of_quotations(text)
    said = _QUOTATION.sub(lambda match: forms.get(match[0]) or quoted.renamed(match[0]), text[:end])
    return begin + said + text[end:]


def without_anchored(text: str, value: str) -> str:
    """Keep of what is said of a value that may be a secret elsewhere only what follows all quotations of it.

    Args:
        text: as for `without_values`.
        value: the value as text.
    """
    end = _end_of_quotations(text)
    is_long = len(value) >= MIN_PIECE_CHARS and value in text  # a short one may stand in our own words
    if not (is_long or _QUOTATION.search(text[:end]) or _NO_TEXT.match(text)):
        return text
    rest = "" if len(value) >= MIN_WHOLE_CHARS and value in text[end:] else text[end:]
    return f"this{rest}" if rest.startswith(" is not one of ") else f"this cannot be used{rest}"


def _end_of_quotations(text: str) -> int:
    end = len(text)
    for match in _QUOTATION_OR_MARK.finditer(text):
        if match["choice"]:
            return match.start()
        if match["semicolon"]:
            end = match.start()
    return end


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a value.

    Attributes:
        begin, end: where it stands.
        instead: what is shown in its place; None for what was written so.
    """

    begin: int
    end: int
    instead: str | None


class _Quoted:
    """Finds a quotation in a value, and what of it came from variables."""

    def __init__(self, template: str, variables: Mapping[str, str]) -> None:
        self._template = without_secret_defaults(template)
        self._parts = list(parts_of(template, variables))

    def renamed(self, quotation: str) -> str:
        """Return the quotation with variables named in the place of their values."""
        quote = quotation[0]
        end = len(quotation) - 1 if len(quotation) > 1 and quotation.endswith(quote) else len(quotation)
        content = _ESCAPED_QUOTE.sub(lambda match: match[1] if match[1] in "'\"" else match[0], quotation[1:end])
        if not content:
            return quotation
        for times in _ESCAPED_TIMES:
            found = self._found(content, times)
            if found is not None:
                return f"{quote}{found}{quotation[end:]}"
        return self._of_changed(quote, content, quotation[end:])

    def _found(self, content: str, times: int) -> str | None:
        """Return the same with variables named, None where nothing in it came from one."""
        whole, parts = _laid_out((_escaped(text, times), name) for text, name in self._parts)
        whole, content_lowered = _lowered(whole), _lowered(content)  # as the hosts of addresses are
        size = len(content)
        for part in parts:
            if part.instead is not None and part.begin < part.end:
                at = whole.find(content_lowered, max(part.begin - size + 1, 0), part.end + size - 1)
                if at >= 0:
                    return "".join(_pieces_of(content, at, parts))
        return None

    def _of_changed(self, quote: str, content: str, end: str) -> str:
        """Name the variables in what a library has made of a value, as a path that begins at another folder."""
        forms = [(form, f"${{{name}}}") for text, name in self._parts if name is not None for form in _forms_of(text)]
        for form, instead in forms:
            if len(form) >= MIN_WHOLE_CHARS:
                content = re.sub(re.escape(form), instead, content, flags=re.IGNORECASE)
            elif form.lower() in content.lower():
                return shown(self._template)
        for form, instead in forms:  # when none is there as a whole any more: of a piece, the rest would be left
            content = _without_pieces(content, form, instead)
        return f"{quote}{content}{end}"


def _laid_out(texts: Iterable[tuple[str, str | None]]) -> tuple[str, list[_Part]]:
    parts: list[_Part] = []
    whole: list[str] = []
    end = 0
    for text, name in texts:
        parts.append(_Part(end, end + len(text), None if name is None else f"${{{name}}}"))
        whole.append(text)
        end += len(text)
    return "".join(whole), parts


def _pieces_of(content: str, at: int, parts: Iterable[_Part]) -> Iterable[str]:
    for part in parts:
        begin, end = max(part.begin - at, 0), min(part.end - at, len(content))
        if begin < end:
            yield content[begin:end] if part.instead is None else part.instead


def _escaped(text: str, times: int) -> str:
    """Escape a text as `repr` does, but for quotes."""
    if text.isprintable() and "\\" not in text:
        return text  # however long
    for _ in range(times):
        text = "".join(char if char in "'\"" else repr(char)[1:-1] for char in text)
    return text


def _forms_of(value: str) -> Iterable[str]:
    forms = [value, value.strip(), str(PurePath(value)) if value else ""]
    return dict.fromkeys(_escaped(form, times) for form in forms if form for times in _ESCAPED_TIMES)


def _lowered(text: str) -> str:
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else text


def _without_pieces(text: str, value: str, instead: str) -> str:
    kept: list[str] = []
    size = MIN_PIECE_CHARS
    value, lowered = value.lower(), _lowered(text)
    end = 0  # of the pieces found so far
    for index, character in enumerate(text):
        piece = lowered[index : index + size]
        if len(piece) == size and piece in value:
            if index >= end:
                kept.append(instead)
            end = index + size
        elif index >= end:
            kept.append(character)
    return "".join(kept)
