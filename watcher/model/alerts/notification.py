"""A message to a channel, which is stored before it is sent, and the result of sending it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from datetime import datetime

MAX_TARGETS_LISTED = 50
# Timeout, too early, too many requests: RFC 9110, RFC 8470 and RFC 6585 suggest another try.
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


class Kind(enum.StrEnum):
    """The kind of a message."""

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
    """A message to one channel; its content never changes.

    Attributes:
        id: made from the channel, the kind and the first flip in it, so that storing it twice is storing it once.
        channel: its name.
        kind: of the message.
        created_at: when it was decided.
        payload: the JSON of version 1 (docs/alerts.md), with the default title and text.
        members: all incidents in it: another message about one of these must not overtake it.
    """

    id: uuid.UUID
    channel: str
    kind: Kind
    created_at: datetime
    payload: Mapping[str, Any] = field(hash=False)
    members: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has accepted it: the answer in words, without secrets."""

    answer: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may work later: the error, without secrets, and how long the receiver asks to wait, in seconds."""

    error: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It can never work: the error, without secrets."""

    error: str


Delivery = Delivered | TryAgain | Refused


def is_refusal(status_code: int) -> bool:
    """Return whether an HTTP error status means that sending the same again is in vain."""
    return 300 <= status_code < 500 and status_code not in _WORTH_ANOTHER_TRY
