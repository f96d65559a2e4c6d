"""Escapes characters that a database cannot hold: those outside its encoding, and those that no database can hold."""

from __future__ import annotations

import re
from functools import cache, partial

from watcher.text.escaping import one_line

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
# SQL_ASCII stores any bytes; watcher sends UTF-8.
_TAKES_ALL = ("UTF8", "SQL_ASCII")
# PostgreSQL's names of its single-byte character sets; Python has the same sets.
_ONE_BYTE = re.compile(r"LATIN\d+|WIN(?P<page>\d+)|ISO_8859_\d+|KOI8(?P<koi>[RU])")


def advice_on(encoding: str) -> str | None:
    """Return a warning about a database's encoding, None for UTF8.

    Args:
        encoding: as `SHOW server_encoding` gives it.
    """
    if encoding == "UTF8":
        return None
    what = "its text is unchecked" if encoding in _TAKES_ALL else "characters that it cannot hold are stored escaped"
    return (
        f"the database is in {encoding}: {what}; to store all characters, create one with"
        " CREATE DATABASE monitordb ENCODING 'UTF8' TEMPLATE template0"
    )


def fitting_text(text: str, encoding: str) -> str:
    """Escape the characters of a text that a database in this encoding cannot hold."""
    return text if encoding in _TAKES_ALL else _NOT_ASCII.sub(partial(_escaped, _codec(encoding), "\\"), text)


def stored_name(name: str, encoding: str) -> str:
    """Return a target's name as a database in this encoding has it."""
    return fitting_text(one_line(name, limit_chars=len(name)), encoding)


def fitting_json(text: str, encoding: str) -> str:
    """Escape the same characters in JSON; its own escapes stay as they are."""
    return text if encoding in _TAKES_ALL else _NOT_ASCII.sub(partial(_escaped, _codec(encoding), "\\\\"), text)


def _escaped(codec: str, backslash: str, match: re.Match[str]) -> str:
    return "".join(
        one if one.encode(codec, "ignore") else one.encode("unicode_escape").decode().replace("\\", backslash)
        for one in match[0]
    )


@cache
def _codec(encoding: str) -> str:
    match = _ONE_BYTE.fullmatch(encoding)
    if match is None:
        return "ascii"
    if match["page"]:
        return f"cp{match['page']}"
    return f"koi8_{match['koi']}" if match["koi"] else encoding.lower()
