"""Escapes foreign text so that it fits one line of a log, a row of a table and a terminal."""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DETAIL_CHARS = 500
MAX_VALUE_CHARS = 8000  # a traceback is the longest

# C0 and C1 controls, the line and paragraph separators, marks that turn the reading direction, and lone
# surrogates: each could break a line, drive a terminal, disguise a name, or be refused by PostgreSQL.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_BARE_VALUE = re.compile(r"[A-Za-z0-9!#$%&()*+,./:;<>?@\[\]^_`{|}~-]+")


def one_line(text: str, limit_chars: int = MAX_DETAIL_CHARS) -> str:
    """Escape characters that could break a line, and cut text that is too long.

    Args:
        text: any text, however hostile.
        limit_chars: the maximum length of the result in characters; longer text is cut and ends in an ellipsis.

    Returns:
        printable text of one line that every store and terminal accepts.
    """
    # Cut first, to avoid escaping megabytes; escaping only makes text longer.
    safe = text[: limit_chars + 1]
    if not safe.isprintable():  # no unsafe character is printable, and this test is much faster
        safe = _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), safe)
    return safe if len(safe) <= limit_chars else safe[: limit_chars - 1] + "…"


def key_values(fields: Mapping[str, object]) -> str:
    """Write fields as `key=value key="two words"`; fields that are None are left out.

    Args:
        fields: names as they should appear; values are shown with `str`.

    Returns:
        one line, in the order of the mapping; long values are cut, and values with other than plain characters are
        quoted.
    """
    return " ".join(f"{key}={value_text(str(value))}" for key, value in fields.items() if value is not None)


def json_string(text: str) -> str:
    """Write text as a JSON string that is safe for every terminal and every parser.

    Returns:
        plain ASCII in double quotes. Control characters are escaped. Lone surrogates, which strict parsers refuse, are
        escaped with a literal backslash, as in text.
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return encode_basestring_ascii(text).replace("\x7f", "\\u007f")


def json_line(value: object, **options: Any) -> str:
    """Write plain lists, dictionaries, strings and numbers as one line of JSON, see `json_string`.

    Args:
        value: for `json.dumps`.
        options: for `json.dumps`.

    Raises:
        ValueError: it contains NaN, an infinity or a lone surrogate: see `watcher.text.loggable`.
    """
    return json.dumps(value, allow_nan=False, **options).replace("\x7f", "\\u007f")


def quoted(text: str) -> str:
    """Put text in double quotes, escaping quotes and backslashes inside it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value_text(text: str) -> str:
    """Format one value of `key_values`."""
    safe = one_line(text, limit_chars=MAX_VALUE_CHARS)
    return safe if _BARE_VALUE.fullmatch(safe) else quoted(safe)
