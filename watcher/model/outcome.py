"""The result of one check."""

from __future__ import annotations

import enum
import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# For one outcome; more would not be read.
MAX_NOTES = 5
MAX_NOTE_CHARS = 200
# The start of a detail if this machine had no network: then the fault is not the site's.
NO_NETWORK = "this machine has no network"


class Reason(enum.StrEnum):
    """Why a check failed; the first that applies, in the order of a check's steps."""

    DNS = "dns"
    BLOCKED = "blocked"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    REDIRECT = "redirect"
    TOO_LARGE = "too_large"
    STATUS = "status"
    HEADER = "header"
    REGEX = "regex"
    JSON = "json"
    # The monitor is at fault, not the site.
    INTERNAL = "internal"
    LOCAL = "local"


_REASONS = frozenset(Reason)
# Reasons whose details quote a site or a proxy; in other details a secret would only match a common word.
_QUOTING = frozenset({Reason.CONNECT, Reason.PROTOCOL, Reason.STATUS, Reason.JSON, Reason.LOCAL})


class Phases(NamedTuple):
    """The time a check spent in each phase, in seconds, summed over redirects; None if the phase did not happen.

    The five are those of blackbox_exporter's `probe_http_duration_seconds{phase}`.
    """

    resolve: float | None = None
    connect: float | None = None
    tls: float | None = None
    processing: float | None = None
    transfer: float | None = None

    def plus(self, other: Phases) -> Phases:
        """Add the times; a phase that neither has stays None."""
        pairs = zip(self, other, strict=True)
        return Phases(*(b if a is None else a if b is None else a + b for a, b in pairs))

    def as_milliseconds(self) -> dict[str, float | None]:
        """Return each phase in milliseconds, rounded to a microsecond."""
        return {name: None if value is None else round(value * 1000, 3) for name, value in self._asdict().items()}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a check failed: a word for machines and a sentence for people.

    Attributes:
        reason: the word.
        detail: the sentence.
        quoted: the end of the detail that quotes another source, the only part that can hold a secret; None if that
            part is unknown.
        was_refused: whether a machine at the other end refused the connection.
    """

    reason: Reason
    detail: str
    quoted: str | None = field(default=None, compare=False, repr=False)
    was_refused: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Details quote sites and exceptions; only this place makes them safe to log, store and show.
        object.__setattr__(self, "detail", one_line(self.detail))

    def with_quotation(self, safe: Callable[[str], str]) -> str:
        """Return the detail with its quotation made safe; our own words stay."""
        if self.reason not in _QUOTING or self.quoted == "":
            return self.detail
        quoted = one_line(self.quoted or "")
        own_chars = len(self.detail) - len(quoted) if quoted and self.detail.endswith(quoted) else 0
        return self.detail[:own_chars] + safe(self.detail[own_chars:])


def reason_named(word: str | None) -> Reason | None:
    """Return the reason of a word in a table; an unknown word, from a later version or by hand, is `internal`."""
    return None if word is None else Reason(word) if word in _REASONS else Reason.INTERNAL


def fault_named(word: str, detail: str) -> Fault:
    """Return the fault of a word in a table; an unknown word, from a later version or by hand, is in the detail."""
    try:
        return Fault(Reason(word), detail)
    except ValueError:
        return Fault(Reason.INTERNAL, f"{word}: {detail}" if detail else word)


# A tuple, like all that every check creates: a frozen dataclass of so many fields takes several times as long.
class Outcome(NamedTuple):
    """The result of one check.

    Attributes:
        target: the target's name.
        address: the target's address without its secrets.
        location: of the replica that made the check.
        scheduled_at, started_at: when it was due and when it started, UTC.
        lateness_seconds: from its slot to its start.
        skipped_slots: slots missed since the target's last check.
        duration_seconds: from the start of the check to the verdict.
        fault: None for a success.
        degraded: why a success is degraded, in a sentence, or None.
        attempts: the number of exchanges: more than one with `retries`, or after a fault of this machine.
        status_code, http_version, ip, body_bytes, redirects: of the last response; None without one.
        cert_expires_at: the earliest end of a certificate of all redirects and the response; None without TLS.
        phases: the time spent in each.
        excerpt: of a failing check: the start of the response's body, made safe, or None.
        headers: of a failing check: selected headers of the response, made safe.
        notes: oddities of a site that is served all the same, in short sentences; see `noted`.
        part: see `check_id`.
        cert_begins_at: start of the certificate that ends at `cert_expires_at`; None if unknown.
    """

    target: str
    address: str
    location: str
    scheduled_at: datetime
    started_at: datetime
    duration_seconds: float
    fault: Fault | None = None
    degraded: str | None = None
    attempts: int = 1
    lateness_seconds: float = 0.0
    skipped_slots: int = 0
    status_code: int | None = None
    http_version: str | None = None
    ip: str | None = None
    body_bytes: int | None = None
    redirects: int | None = None
    cert_expires_at: datetime | None = None
    phases: Phases = Phases()
    excerpt: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    part: int = 0
    cert_begins_at: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether the site met all expectations."""
        return self.fault is None

    @property
    def check_id(self) -> uuid.UUID:
        """The permanent id of the check; computed on demand, when a failure is stored."""
        return check_id(self.target, self.location, self.scheduled_at, self.part)


def noted(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return notes ready to be stored and shown: without duplicates, at most `MAX_NOTES`, safe and short."""
    return tuple(one_line(sentence, MAX_NOTE_CHARS) for sentence in list(dict.fromkeys(sentences))[:MAX_NOTES])


def check_id(target: str, location: str, scheduled_at: datetime, part: int = 0) -> uuid.UUID:
    """Return the permanent id of a check, so that storing it twice is storing it once.

    Args:
        target: the target's name.
        location: of the replica.
        scheduled_at: the slot, with a time zone.
        part: distinguishes repeated runs of a slot by one daemon; 0 for the first.

    Returns:
        an id that sorts by time; the rest of it is a hash of target, location and the slot's microseconds.
    """
    text = f"{target}\0{location}\0{_microseconds(scheduled_at)}{f'{chr(0)}{part}' if part else ''}"
    return time_ordered_id(scheduled_at, text)


def time_ordered_id(moment: datetime, text: str) -> uuid.UUID:
    """Return an id that sorts by time.

    Args:
        moment: with a time zone; ids of one millisecond differ by the text alone.
        text: identifies the object; the same text and moment make the same id.

    Returns:
        a UUID of version 8 (RFC 9562, section 5.8): 48 bits of milliseconds since 1970, as in version 7, then
        a hash of the text.
    """
    digest = hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=10).digest()
    bits = (_microseconds(moment) // 1000) << 80 | int.from_bytes(digest, "big")
    bits = bits & ~(0xF << 76) | 0x8 << 76  # version
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # variant
    return uuid.UUID(int=bits)


def moment_of_id(found: uuid.UUID) -> datetime:
    """Return the moment of an id that sorts by time, to a millisecond."""
    return EPOCH + timedelta(milliseconds=found.int >> 80)


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)  # exact, unlike a float
