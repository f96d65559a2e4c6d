"""Judges an exchange by what its target expects: pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from watcher.checking.verdict.charset import MAX_GROWTH, as_utf8, text_codec
from watcher.checking.verdict.json_values import JsonError, decoded, json_complaint
from watcher.model.outcome import Fault, Reason
from watcher.text.escaping import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.checking.http.exchange import Exchange
    from watcher.model.target import Expectations, HeaderPattern

# A step is what RE2 does in up to 4 ns. Decoding JSON takes up to 60 ns a byte. JMESPath walks lists in Python, in up
# to 800 ns for each byte of them, and its path does not tell whether it meets one. So with at most a million steps in
# the loop, JSON of more than 5 KB is judged in a thread, which costs some 0.1 ms, but does not stall the loop.
JSON_DECODING_STEPS = 16
JSON_SEARCH_STEPS = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the check failed, or None; and a sentence on why its success is degraded, or None."""

    fault: Fault | None
    degraded: str | None


_GOOD = Verdict(None, None)


def judge(expected: Expectations, exchange: Exchange, duration_seconds: float, now: datetime) -> Verdict:
    """Find the first reason that makes the exchange a failure, or a degraded success.

    Args:
        expected: the expectations of the target.
        exchange: the exchange.
        duration_seconds: its duration.
        now: a moment with a time zone, to compute how long the certificates last.

    Returns:
        the verdict; never raises, whatever a site sends.
    """
    if exchange.fault is None or exchange.status_code is not None:
        fault = _fault_of_response(expected, exchange)
    else:
        fault = exchange.fault
    if fault is not None:
        return Verdict(fault, None)
    if expected.degraded_after_seconds is None and expected.cert_expiry_days is None:
        return _GOOD
    complaints = (_slowness(expected, duration_seconds), _expiry(expected, exchange, now))
    return Verdict(None, "; ".join(filter(None, complaints)) or None)


def matching_steps(expected: Expectations, exchange: Exchange) -> int:
    """Bound the work of judging, in steps of RE2, which takes at most one for each byte and program instruction."""
    steps = 0
    if exchange.fault is not None:
        return steps
    if expected.body_matches or expected.body_lacks:
        growth = 1 if text_codec(exchange) is None else MAX_GROWTH
        sizes = _program_size(expected.body_matches) + _program_size(expected.body_lacks)
        steps += growth * len(exchange.body) * sizes
    if expected.headers_match or expected.headers_lack:
        patterns = [header.pattern for header in (*expected.headers_match, *expected.headers_lack)]
        steps += sum(len(value) for _, value in exchange.headers) * _program_size(patterns)
    if expected.json:
        steps += len(exchange.body) * (JSON_DECODING_STEPS + JSON_SEARCH_STEPS * len(expected.json))
    return steps


def _program_size(patterns: Sequence[Any]) -> int:
    size = 0
    for pattern in patterns:
        size += pattern.programsize
    return size


def expiry(expires_at: datetime, now: datetime) -> str:
    """Say when something expires, as in `expires in 3.2 days, on 2026-11-30`."""
    days = (expires_at - now) / timedelta(days=1)
    date = f"{expires_at.astimezone(UTC):%Y-%m-%d}"
    # Rounded down, or 13.96 days would look like the limit of 14.
    return f"expired {-days:.1f} days ago, on {date}" if days < 0 else f"expires in {_floor(days):.1f} days, on {date}"


def _floor(days: float) -> float:
    return math.floor(days * 10) / 10


def _fault_of_response(expected: Expectations, exchange: Exchange) -> Fault | None:
    status_code = exchange.status_code or 0
    for low, high in expected.status_codes:
        if low <= status_code <= high:
            break
    else:
        return Fault(Reason.STATUS, _status_text(expected, exchange))
    if exchange.fault is not None:  # a fault of the body matters only if the status is good
        return exchange.fault
    if expected.headers_lack or expected.headers_match:
        complaint = _complaint_about_headers(expected, exchange)
        if complaint is not None:
            return Fault(Reason.HEADER, complaint)
    if not exchange.body_is_decoded and (expected.body_matches or expected.body_lacks or expected.json):
        text = "nothing can be looked for in the body: its encoding cannot be undone"
        return Fault(Reason.PROTOCOL, text, "")
    if expected.body_matches or expected.body_lacks:
        complaint = _complaint_about_text(expected, as_utf8(exchange.body, text_codec(exchange)))
        if complaint is not None:
            return Fault(Reason.REGEX, complaint)
    if expected.json:
        complaint = _complaint_about_json(expected, exchange)
        if complaint is not None:
            return Fault(Reason.JSON, complaint)
    return None


def _status_text(expected: Expectations, exchange: Exchange) -> str:
    status_code = exchange.status_code or 0
    text = f"{status_code} {exchange.reason_phrase}".strip()
    if not 200 <= status_code <= 299:
        return text
    # A status that is usually good needs the expected ones beside it.
    wanted = (str(low) if low == high else f"{low}-{high}" for low, high in expected.status_codes)
    return f"{text}, not {' or '.join(wanted)}"


def _complaint_about_headers(expected: Expectations, exchange: Exchange) -> str | None:
    """Judge as blackbox_exporter does: a missing header fails either kind, unless that is allowed."""
    for header in expected.headers_lack:
        values = _values_of(header, exchange)
        if not values and not header.allow_missing:
            return f"the header {header.header} is missing"
        if any(header.pattern.search(value) is not None for value in values):
            return f"the header {header.header} matches {_quoted_pattern(header.pattern)}"
    for header in expected.headers_match:
        values = _values_of(header, exchange)
        if not values and not header.allow_missing:
            return f"the header {header.header} is missing"
        if values and all(header.pattern.search(value) is None for value in values):
            return f"the header {header.header} does not match {_quoted_pattern(header.pattern)}"
    return None


def _values_of(header: HeaderPattern, exchange: Exchange) -> list[bytes]:
    wanted = header.header.lower().encode("utf-8", "replace")
    return [value for name, value in exchange.headers if name == wanted]


def _complaint_about_text(expected: Expectations, text: bytes) -> str | None:
    for pattern in expected.body_lacks:
        if pattern.search(text) is not None:
            return f"the body matches {_quoted_pattern(pattern)}"
    for pattern in expected.body_matches:
        if pattern.search(text) is None:
            return f"the body does not match {_quoted_pattern(pattern)}"
    return None


def _quoted_pattern(pattern: Any) -> str:
    return quoted(pattern.pattern.decode("utf-8", "replace"))


def _complaint_about_json(expected: Expectations, exchange: Exchange) -> str | None:
    try:
        document = decoded(exchange.body, exchange.charset)
    except JsonError as error:
        return f"the body is not JSON: {error}"
    for expectation in expected.json:
        complaint = json_complaint(expectation, document)
        if complaint is not None:
            return complaint
    return None


def _slowness(expected: Expectations, duration_seconds: float) -> str | None:
    limit_seconds = expected.degraded_after_seconds
    if limit_seconds is None or duration_seconds <= limit_seconds:
        return None
    # Rounded up, or 1500.4 ms would look like 1500 ms; but not for a float's last digits.
    took_ms = math.ceil(round(duration_seconds * 1000, 3))
    return f"took {took_ms} ms, more than {round(limit_seconds * 1000, 3):.10g} ms"


def _expiry(expected: Expectations, exchange: Exchange, now: datetime) -> str | None:
    first_end = exchange.first_certificate_end()
    if expected.cert_expiry_days is None or first_end is None:
        return None
    # Not compared as timedelta, which has a maximum.
    if (first_end.expires_at - now) / timedelta(days=1) >= expected.cert_expiry_days:
        return None
    whose = "" if first_end.host is None else f" of {first_end.host}"
    return f"a certificate of the chain{whose} {expiry(first_end.expires_at, now)}"
