"""Extracts the part of a failing response that is stored for people: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.checking.verdict.charset import BYTE_ORDER_MARK, text_codec
from watcher.model.outcome import Fault, Reason, noted
from watcher.secrets.masking import MIN_SECRET_CHARS, masked, masked_line
from watcher.secrets.of_targets import secrets_of
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from watcher.checking.http.exchange import Exchange
    from watcher.checking.verdict.judge import Verdict
    from watcher.model.target import Target

EXCERPT_BYTES = 1024
MAX_EXCERPT_CHARS = 1024
MAX_HEADERS = 20
MAX_HEADER_CHARS = 200

# Headers that show what answered, from where, and for how long; others are not stored, least of all `set-cookie`.
KEPT_HEADERS = frozenset(
    {
        "age",
        "allow",
        "cache-control",
        "cf-cache-status",
        "cf-ray",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "etag",
        "last-modified",
        "location",
        "retry-after",
        "server",
        "strict-transport-security",
        "traceparent",
        "via",
        "www-authenticate",
        "x-amzn-requestid",
        "x-cache",
        "x-correlation-id",
        "x-request-id",
        "x-served-by",
    }
)

# The most bytes that a charset uses for a character: ISO-2022 has escapes before and after each.
_MAX_BYTES_PER_CHAR = 8


def excerpt_of(exchange: Exchange, target: Target) -> str | None:
    """Return the start of a body, safe to store and show.

    Args:
        exchange: the exchange.
        target: its secrets are masked.

    Returns:
        one line of at most `MAX_EXCERPT_CHARS`, from the first `EXCERPT_BYTES` of the body; None without a body.
    """
    if not exchange.body:
        return None
    secrets, codec = secrets_of(target), text_codec(exchange) or "utf-8"
    end = len(exchange.body[:EXCERPT_BYTES].decode(codec, "replace"))
    # A secret that starts in the excerpt is read to its end, or half of it would be shown.
    longest = max(map(len, secrets), default=0) + MIN_SECRET_CHARS
    text = exchange.body[: EXCERPT_BYTES + longest * _MAX_BYTES_PER_CHAR].decode(codec, "replace")
    if text.startswith(BYTE_ORDER_MARK):
        text, end = text[1:], end - 1
    return masked_line(text, secrets, MAX_EXCERPT_CHARS, end) or None


def headers_of(exchange: Exchange, target: Target) -> tuple[tuple[str, str], ...]:
    """Return the useful headers of a response, safe to store and show.

    Args:
        exchange: the exchange.
        target: its secrets are masked.

    Returns:
        at most `MAX_HEADERS` names and one-line values, in the order of the response; values of the same name are
        joined by commas (RFC 9110, section 5.3).
    """
    values: dict[str, list[str]] = {}
    for raw_name, raw_value in exchange.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("utf-8", "replace")
        if name in KEPT_HEADERS:
            values.setdefault(name, []).append(without_secrets(value) if name == "location" else value)
    secrets = secrets_of(target) if values else ()
    kept = list(values.items())[:MAX_HEADERS]
    return tuple((name, masked_line(", ".join(several), secrets, MAX_HEADER_CHARS)) for name, several in kept)


def masked_notes(exchange: Exchange, verdict: Verdict, target: Target) -> tuple[str, ...]:
    """Return the notes on an exchange; text of the site is only after the colon of a note."""
    notes = [note.partition(": ") for note in exchange.notes]
    sentences = [own + colon + masked(quoted, secrets_of(target) if colon else ()) for own, colon, quoted in notes]
    if exchange.fault is not None and verdict.fault is not None and verdict.fault.reason is Reason.STATUS:
        sentences.append(masked_fault(exchange.fault, target).detail)  # on a body that no longer matters
    return noted(sentences)


def masked_fault(fault: Fault, target: Target) -> Fault:
    """Return a fault without secrets that the site sent back, such as in its reason phrase; our own words stay."""
    detail = fault.with_quotation(lambda text: masked(text, secrets_of(target)))
    return fault if detail == fault.detail else Fault(fault.reason, detail)
