"""Turns the answer of an HTTP receiver into the result of a delivery. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from watcher.model.alerts.notification import Delivered, Refused, TryAgain, is_refusal
from watcher.model.outcome import Fault, Reason
from watcher.secrets.of_channels import masked_answer
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.notification import Delivery


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a receiver, with the first part of its text, as received."""

    status_code: int
    reason_phrase: str = ""
    text: str = ""
    retry_after: str | None = None
    location: str | None = None


def delivery_of(answer: Answer | Fault, channel: Channel, now: datetime) -> Delivery:
    """Decide whether a message is delivered, tried again or given up.

    Args:
        answer: the answer, or the reason why none came.
        channel: the receiver's.
        now: a moment with a time zone, for a `Retry-After` that is a date.

    Returns:
        2xx is delivered; 408, 425, 429, 5xx and no answer are tried again; all others, such as redirects, are refused.
    """
    if isinstance(answer, Fault):
        detail = answer.with_quotation(lambda text: masked_answer(text, channel))
        return Refused(detail) if answer.reason is Reason.BLOCKED else TryAgain(detail)
    status_code, words = answer.status_code, _in_words(answer, channel)
    if 200 <= status_code < 300:
        return Delivered(words)
    if is_refusal(status_code):
        return Refused(words)
    return TryAgain(words, retry_after_seconds(answer.retry_after, now, channel.give_up_after_seconds))


def retry_after_seconds(value: str | None, now: datetime, limit_seconds: float) -> float | None:
    """Read a `Retry-After` header (RFC 9110, section 10.2.3).

    Args:
        value: seconds or a date; None without the header.
        now: a moment with a time zone.
        limit_seconds: the longest time to wait.

    Returns:
        seconds from 0 to the limit; None if the value is neither.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), limit_seconds)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # for example the year 99999999999
        return None
    if moment.tzinfo is None:  # for example with `-0000`
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), limit_seconds)


def _in_words(answer: Answer, channel: Channel) -> str:
    words = masked_answer(f"{answer.status_code} {answer.reason_phrase}", channel)
    if 300 <= answer.status_code < 400:
        to = "elsewhere" if answer.location is None else f"to {without_secrets(answer.location)}"
        return f"{words}: redirects are not followed; it leads {masked_answer(to, channel)}"
    line = next(iter(answer.text.strip().splitlines()), "").strip()
    return f"{words}: {masked_answer(line, channel)}" if line else words
