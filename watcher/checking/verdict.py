"""What an exchange means: a pure function of the exchange and what is expected of the target."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from watcher.model.outcome import Fault, Reason
from watcher.model.text import quoted

if TYPE_CHECKING:
    from watcher.checking.fetch import Exchange
    from watcher.model.target import Target


# Python's codecs that no page is written in: some take time in the square of the length, some raise in any case.
_NOT_OF_PAGES = frozenset(
    {"idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)


def judge(target: Target, exchange: Exchange) -> Fault | None:
    """Find the first reason for which the exchange is a failure.

    Args:
        target: what is expected.
        exchange: what came.

    Returns:
        the fault, or None for a success.
    """
    if exchange.fault is not None:
        return exchange.fault
    status_code = exchange.status_code or 0
    if not 200 <= status_code <= 299:
        return Fault(Reason.STATUS, f"{status_code} {exchange.reason_phrase}".strip())
    if target.regex is not None and target.regex.search(_as_utf8(exchange.body, exchange.charset)) is None:
        pattern = target.regex.pattern.decode("utf-8", "replace")
        return Fault(Reason.REGEX, f"the body does not match {quoted(pattern)}")
    return None


def matching_steps(target: Target, exchange: Exchange) -> int:
    """Bound the work of judging: RE2 takes at most a step for each byte of the body and each of its program."""
    return 0 if target.regex is None else len(exchange.body) * target.regex.programsize


def _as_utf8(body: bytes, charset: str | None) -> bytes:
    """Bring a body to the encoding in which RE2 matches; what cannot be decoded becomes U+FFFD."""
    if charset is None:
        return body
    try:
        codec = codecs.lookup(charset)
    except (LookupError, ValueError):
        return body
    # `charset=hex` and its like are codecs too, but none of text.
    if codec.name in _NOT_OF_PAGES or codec.name == "utf-8" or not codec._is_text_encoding:
        return body
    return body.decode(codec.name, "replace").encode("utf-8", "replace")
