"""Masks known values in text, in all the ways in which sites and libraries write them. Pure."""

from __future__ import annotations

import html
import json
import re
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import quote

from watcher.text.escaping import one_line
from watcher.text.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

# Shorter secrets occur in every text, such as the `1` of `?page=1`: masking them would leave nothing to read.
MIN_SECRET_CHARS = 4

# The end of a cut text; the secret may have continued after it.
CUT = "…"

# Secrets that are written in one way only, and those that only addresses and some writers of JSON escape.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_BASE64 = re.compile(r"[A-Za-z0-9._~+/=-]+")
# Characters that encoders of addresses do not escape: none, JavaScript, paths, and httpx.
_LEFT_ALONE = ("", "!'()*", "/", "!$%&'()*+,/:;=?@[\\]^`{|}")


def forms_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return all ways of writing the secrets, without those of fewer than `MIN_SECRET_CHARS` characters."""
    long = (secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS)
    return tuple(dict.fromkeys(form for secret in long for form in _encodings(secret) if len(form) >= MIN_SECRET_CHARS))


def masked(text: str, forms: Sequence[str], end: int | None = None) -> str:
    """Mask secrets, and the start of a secret before the ellipsis of a cut.

    Args:
        text: any text.
        forms: of the secrets, from `forms_of`.
        end: index at which the result ends; a secret that continues after it is masked too.
    """
    return mask_places(text, lambda text: (place for form in forms for place in _places_of(form, text)), end)


def masked_line(text: str, forms: Sequence[str], limit_chars: int, end: int | None = None) -> str:
    """Mask secrets as `masked` does, escape what could break a line, and cut what is too long."""
    text = masked(text, forms, end)
    safe = one_line(text, limit_chars)
    return safe if safe == text else masked(safe, forms)


def mask_places(text: str, places_in: Callable[[str], Iterable[tuple[int, int]]], end: int | None = None) -> str:
    """Replace parts of a text by masks; parts that touch or overlap share one mask.

    Args:
        text: any text.
        places_in: finds the parts: the start of each, and the index after it.
        end: as in `masked`.
    """
    while places := list(places_in(text)):  # again: the rest may form a secret
        characters = list(text)
        for start, stop in places:
            characters[start:stop] = [""] * (stop - start)
        text = "".join("".join(run) or MASK for _, run in groupby(characters[:end], bool))
        end = None
    return text[:end]


def _places_of(secret: str, text: str) -> Iterator[tuple[int, int]]:
    # Search for the first characters: before a cut, there may be no more.
    first, cut = secret[:MIN_SECRET_CHARS], text.find(CUT)
    start = text.find(first)
    while start >= 0:
        while 0 <= cut < start + len(first):
            cut = text.find(CUT, cut + 1)
        if text.startswith(secret, start):
            yield start, start + len(secret)
        elif 0 < cut < start + len(secret) and secret.startswith(text[start:cut]):
            yield start, cut
        start = text.find(first, start + 1)


def _encodings(secret: str) -> Iterator[str]:
    yield secret
    if _PLAIN.fullmatch(secret):
        return
    if _BASE64.fullmatch(secret):
        for encoded in (quote(secret, safe=""), quote(secret)):
            yield from (encoded, encoded.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d"))
        yield from (secret.replace("/", "\\/"), secret.replace("+", "\\u002B"))
        return
    for left_alone in _LEFT_ALONE:
        encoded = quote(secret, safe=left_alone, errors="replace")
        yield from (encoded, encoded.replace("%20", "+"))
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    for text in (html.escape(secret), html.escape(secret, quote=False)):
        yield from (text, text.replace("&#x27;", "&#39;"), text.replace("&#x27;", "&#039;"))
    for text in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):  # last as Java and .NET do
        yield from (text, text.replace("/", "\\/"), one_line(text, limit_chars=12 * len(text)))
        yield text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
        text = re.sub(r"\\u[0-9a-f]{4}", lambda match: "\\u" + match[0][2:].upper(), text)
        yield from (text, re.sub("[&'+<>`]", lambda match: f"\\u{ord(match[0]):04X}", text.replace('\\"', "\\u0022")))
    yield one_line(secret, limit_chars=12 * len(secret))
    yield from (repr(secret)[1:-1], repr(secret + "'\"")[1:-4])  # Python's, also in a text with both quotes
    if not secret.isascii():  # with the wrong encoding
        utf_8 = secret.encode("utf-8", "replace")
        yield from (utf_8.decode(charset, "replace") for charset in ("latin-1", "cp1252", "ascii"))
        yield from (secret.encode(charset, "replace").decode("utf-8", "replace") for charset in ("latin-1", "ascii"))
