"""The text that a body stands for, by the charset that its header claims."""

from __future__ import annotations

import codecs
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import lru_cache

# A charset comes from a site, and Python keeps every name that it is asked for, the unknown as well, for ever: so it
# is asked only for what it has. Some of its codecs have no alias.
_KNOWN = frozenset(aliases) | frozenset(aliases.values()) | {"cp720", "cp737", "cp874", "koi8_u", "utf_8_sig"}

# Python's codecs that no page is written in: some take time in the square of the length, some raise in any case.
_NOT_OF_PAGES = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
MAX_CHARSET_CHARS = 40
# U+FFFD, and most of what single bytes stand for, has three bytes at the most.
MAX_GROWTH = 3


def as_utf8(body: bytes, charset: str | None) -> bytes:
    """Bring a body to the encoding in which RE2 matches.

    Args:
        body: as it was sent.
        charset: as it was sent, or None.

    Returns:
        a body of at most `MAX_GROWTH` times the length, in which U+FFFD stands for what cannot be decoded; the body
        itself where the charset is UTF-8, or none that a page has.
    """
    codec = codec_for(charset)
    return body if codec is None else body.decode(codec, "replace").encode("utf-8", "replace")


def codec_for(charset: str | None) -> str | None:
    """Name Python's codec for a charset; None stands for UTF-8, and for every charset that no page has."""
    return None if charset is None or len(charset) > MAX_CHARSET_CHARS else _codec(charset)


@lru_cache(maxsize=256)
def _codec(charset: str) -> str | None:
    name = normalize_encoding(charset.lower())
    if name not in _KNOWN:
        return None
    try:
        codec = codecs.lookup(name)
    except LookupError:  # of another system, such as `mbcs`
        return None
    # `charset=hex` and its like are codecs too, but none of text.
    if codec.name in _NOT_OF_PAGES or codec.name == "utf-8" or not codec._is_text_encoding:
        return None
    return codec.name
