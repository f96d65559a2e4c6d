"""A message to a channel: a row that is written before it is sent, and what became of sending it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from datetime import datetime

MAX_TARGETS_LISTED = 50
# Timeout, too early, too many requests: what RFC 9110, RFC 8470 and RFC 6585 say to try once more.
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


class Kind(enum.StrEnum):
    """What a message tells."""

    DOWN = "down"
    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    CERTIFICATE = "certificate"
    FLAPPING = "flapping"
    REMINDER = "reminder"
    ESCALATION = "escalation"
    CONNECTIVITY = "connectivity"
    CHANNEL = "channel"  # another channel fails
    MIXED = "mixed"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to one channel; what it tells never changes.

    Attributes:
        id: from the channel, the kind and the first flip in it, so that writing it twice is writing it once.
        channel: its name.
        kind: what it tells.
        created_at: when it was decided on.
        payload: the JSON of version 1 (docs/alerts.md), with the default title and text.
        members: the incidents that it tells of, all of them: what tells of one of these must not overtake it.
    """

    id: uuid.UUID
    channel: str
    kind: Kind
    created_at: datetime
    payload: Mapping[str, Any] = field(hash=False)
    members: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has taken it: what it answered, in words, without secrets."""

    answer: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may work later: why it did not, without secrets, and how long the receiver wants nothing, in seconds."""

    error: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It can never work: why, without secrets."""

    error: str


Delivery = Delivered | TryAgain | Refused


def is_refusal(status_code: int) -> bool:
    """Say whether an HTTP status, of what was not taken, means that to send the same once more is in vain."""
    return 300 <= status_code < 500 and status_code not in _WORTH_ANOTHER_TRY
