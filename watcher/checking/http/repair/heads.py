"""Repairs response heads that browsers and curl accept and llhttp refuses: pure functions of their bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE_END = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] \d{3}[ \r\n]")
_INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d[ \r\n]")
# RFC 9110, section 5.6.2; and names that are not tokens, yet harmless: control characters stay an error.
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PRINTABLE = re.compile(rb"[ -~\x80-\xff]*")

# Headers that have one value; some servers add theirs to that of the application.
_OF_ONE_VALUE = (b"location", b"content-type")

EMPTY_LINE_NOTE = "an empty line stands before the response"
_IDENTITY_NOTE = "the response has the transfer coding identity, which HTTP/1.1 no longer has"
_CHUNKED_TWICE_NOTE = "the response says twice that it is in chunks, which proxies may refuse"


class ContradictionError(Exception):
    """A head contradicts itself; the message is for people."""


class MendedHead(NamedTuple):
    """A repaired head.

    Attributes:
        head: with interim responses before it, and the empty line at its end.
        rest: the data after it.
        notes: a sentence on each repair.
    """

    head: bytes
    rest: bytes
    notes: tuple[str, ...]


def mended_head(raw: bytes) -> MendedHead | None:
    """Repair a head so that llhttp accepts it.

    A repeated length is used once (RFC 9110, section 8.6). With chunks the length is dropped, and so is the transfer
    coding `identity` (RFC 9112, section 6.3). A plus before a length, a space before a colon and a header without a
    proper name are dropped.

    Args:
        raw: all data received so far.

    Returns:
        None while the head is incomplete.

    Raises:
        ContradictionError: it has two different lengths.
    """
    raw = raw.lstrip(b"\r\n")
    start, end = _last_head(raw)
    if end is None:
        return None
    status_line, *lines = _LINE_END.split(_FOLD.sub(b" ", raw[start : end.start()]))
    notes = dict[str, None]()  # as a set, in order
    fields = list(_named(lines, notes))
    pairs = [(name, line.partition(b":")[2]) for name, line in fields]
    lengths = _values_of(b"content-length", pairs)
    if any(length.startswith(b"+") for length in lengths):
        lengths = [length.removeprefix(b"+") for length in lengths]
        notes["the response has a plus before its Content-Length, which proxies may refuse"] = None
    all_codings = codings_in(pairs)
    codings = [coding for coding in all_codings if coding != b"identity"]
    kept = [line for name, line in fields if name not in {b"content-length", b"transfer-encoding"}]
    if codings != all_codings:
        notes[_IDENTITY_NOTE] = None
    if codings:
        kept.append(b"Transfer-Encoding: " + b", ".join(dict.fromkeys(codings)))
        if lengths:
            notes["the response has both a Content-Length and a Transfer-Encoding, which proxies may refuse"] = None
    elif lengths:
        kept.append(b"Content-Length: " + _only(lengths))
        if len(lengths) > 1:
            notes["the response has its Content-Length twice"] = None
    head = raw[:start] + b"\r\n".join([status_line, *kept]) + b"\r\n\r\n"
    return MendedHead(head, raw[end.end() :], tuple(notes))


def behind_head(raw: bytes) -> bytes:
    """Return the data after the head of a final response.

    Args:
        raw: all received data, with the whole head.
    """
    # Nearly all responses have no interim response before them, and correct line ends; then no pattern is searched for,
    # which would take as long as all of the parsing.
    if raw.startswith(b"HTTP/") and raw[9:10] != b"1":
        end = raw.find(b"\n\r\n")
        if end >= 0 and raw.find(b"\n\n", 0, end + 1) < 0:
            return raw[end + 3 :]
    _, found = _last_head(raw)
    return b"" if found is None else raw[found.end() :]


def codings_in(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the transfer codings of headers, in lower case.

    Args:
        headers: names in lower case, and values.
    """
    return _values_of(b"transfer-encoding", headers)


def notes_on_codings(codings: list[bytes]) -> tuple[str, ...]:
    """Return sentences on odd transfer codings.

    Args:
        codings: in lower case.
    """
    notes = (_IDENTITY_NOTE,) if b"identity" in codings else ()
    return (*notes, _CHUNKED_TWICE_NOTE) if codings.count(b"chunked") > 1 else notes


def may_end_head(raw: bytes) -> bool:
    """Return whether part of the data contains the end of a head, so that searching all of it is worth the time."""
    return _HEAD_END.search(raw) is not None


def may_be_mended(raw: bytes) -> bool:
    """Return whether the data starts as a response does."""
    return _STATUS_LINE.match(raw.lstrip(b"\r\n")) is not None


def without_repeats(headers: list[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """Remove repeated headers that have one value, if the values are the same.

    Args:
        headers: of a response; names are in lower case.

    Returns:
        the headers, and a sentence for each repeated one.
    """
    if len(dict(headers)) == len(headers):  # no name is repeated
        return headers, []
    names = [name for name, _ in headers]
    notes = []
    for single in _OF_ONE_VALUE:
        if names.count(single) > 1:
            notes.append(f"the response has its {single.decode().title()} twice")
            headers = [pair for place, pair in enumerate(headers) if pair[0] != single or headers.index(pair) == place]
    return headers, notes


def _named(lines: Iterable[bytes], notes: dict[str, None]) -> Iterable[tuple[bytes, bytes]]:
    """Yield the name of each header, in lower case, and its line; lines without a colon are left to the parser."""
    for line in lines:
        name, colon, value = line.partition(b":")
        token = name.rstrip(b" \t")
        if not colon or _PRINTABLE.fullmatch(token) is None:
            yield b"", line
        elif _TOKEN.fullmatch(token) is None:
            notes["the response has a header without a proper name, which proxies may refuse"] = None
        else:
            if token != name:
                notes["the response has a space before a colon, which proxies may refuse"] = None
            yield token.lower(), token + colon + value


def _values_of(name: bytes, headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    values = [value for found, value in headers if found == name]
    return [part.strip(b" \t").lower() for value in values for part in value.split(b",")]


def _last_head(raw: bytes) -> tuple[int, re.Match[bytes] | None]:
    """Return where the head of the final response starts, and the match of its end."""
    start = _behind_empty_lines(raw, 0)
    while (end := _HEAD_END.search(raw, start)) is not None and _INTERIM.match(raw, start) is not None:
        start = _behind_empty_lines(raw, end.end())
    return start, end


def _behind_empty_lines(raw: bytes, start: int) -> int:
    while raw[start : start + 1] in {b"\r", b"\n"}:
        start += 1
    return start


def _only(lengths: list[bytes]) -> bytes:
    first = lengths[0]
    for length in lengths:
        if length != first:
            one, other = first.decode("latin-1"), length.decode("latin-1")
            raise ContradictionError(f"the response has two lengths that differ: {one!r} and {other!r}")
    return first
