"""Finds the charset of a body as browsers do: by its byte order mark, its header, or its own declaration."""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache
from typing import TYPE_CHECKING

import webencodings

if TYPE_CHECKING:
    from watcher.checking.http.exchange import Exchange

# A charset comes from a site, and Python remembers every name that it looks up, unknown ones too, forever: so only
# names that it has are looked up. Some of its codecs have no alias.
_KNOWN = frozenset(aliases) | frozenset(aliases.values()) | {"cp720", "cp737", "cp874", "koi8_u", "utf_8_sig"}

# Python's codecs that no page uses: some take quadratic time, some always raise.
_NOT_OF_PAGES = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
# Wider charsets that pages mean by the name of a smaller one (Encoding standard, section 4.2), as Python's codecs.
_WIDER = {
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "iso8859-11": "cp874",
    "iso8859-9": "cp1254",
    "shift_jis": "cp932",
    "tis-620": "cp874",
}
MAX_CHARSET_CHARS = 40
# In UTF-8, U+FFFD and most characters of single-byte charsets take at most three bytes.
MAX_GROWTH = 3

BYTE_ORDER_MARK = "\ufeff"
# The mark of UTF-32 starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, None),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST_BYTES = tuple(mark for mark, _ in _MARKS)

# The prefix that browsers search for a page's own charset (HTML standard, section 13.2.3.2), and the types that may
# declare one.
PRESCAN_BYTES = 1024
_DECLARED = re.compile(
    rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)|^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)""", re.IGNORECASE
)
_COMMENT = re.compile(rb"<!--.*?(-->|\Z)", re.DOTALL)
_DECLARING_TYPE = re.compile(rb"\s*(text/(html|xml)|application/([\w.-]+\+)?xml)\b", re.IGNORECASE)


def text_codec(exchange: Exchange) -> str | None:
    """Return the name of Python's codec for the body of an exchange; None for UTF-8.

    A byte order mark overrides the header, and the header overrides the page's own declaration (Encoding standard,
    section 6; HTML standard, section 13.2.3.1).
    """
    if exchange.charset is not None or exchange.body.startswith(_FIRST_BYTES):
        return codec_of(exchange.body, exchange.charset)
    return _declared_codec(exchange)


def codec_of(body: bytes, charset: str | None) -> str | None:
    """Return the name of Python's codec for a body with a given charset; a byte order mark overrides the charset."""
    for mark, codec in _MARKS:
        if body.startswith(mark):
            return codec
    return codec_for(charset)


def as_utf8(body: bytes, codec: str | None) -> bytes:
    """Convert a body to UTF-8, in which RE2 matches.

    Args:
        body: as sent.
        codec: from `text_codec`.

    Returns:
        a body of at most `MAX_GROWTH` times the length, without a byte order mark, with U+FFFD for undecodable bytes;
        in UTF-8, the body itself.
    """
    if codec is not None:
        body = body.decode(codec, "replace").encode("utf-8", "replace")
    return body.removeprefix(codecs.BOM_UTF8)


def codec_for(charset: str | None) -> str | None:
    """Return the name of Python's codec for a charset; None for UTF-8, and for every charset that no page uses."""
    if charset is None or len(charset) > MAX_CHARSET_CHARS or not charset.isascii():
        return None
    return _codec(charset)


@lru_cache(maxsize=256)
def _codec(charset: str) -> str | None:
    encoding = webencodings.lookup(charset)
    name = normalize_encoding(charset.lower() if encoding is None else encoding.codec_info.name)
    if name not in _KNOWN:
        return None
    try:
        codec = codecs.lookup(name)
    except LookupError:  # a codec of another system, such as `mbcs`
        return None
    # `charset=hex` and the like are codecs too, but not of text.
    if codec.name in _NOT_OF_PAGES or codec.name == "utf-8" or not codec._is_text_encoding:
        return None
    return _WIDER.get(codec.name, codec.name)


def _declared_codec(exchange: Exchange) -> str | None:
    start = exchange.body[:PRESCAN_BYTES]
    lowered = start.lower()
    if b"charset" not in lowered and b"encoding" not in lowered:  # a hundred times as fast as the patterns
        return None
    kinds = [value for name, value in exchange.headers if name == b"content-type"]
    if kinds and _DECLARING_TYPE.match(kinds[-1]) is None:
        return None
    declared = _DECLARED.search(_COMMENT.sub(b"", start))
    if declared is None:
        return None
    codec = codec_for((declared[1] or declared[2]).decode("ascii", "replace"))
    # A page readable up to here is not in UTF-16, whatever it declares.
    return None if codec is not None and codec.startswith(("utf-16", "utf-32")) else codec
