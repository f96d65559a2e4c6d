"""Channels: where messages go, and how often."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from watcher.model.alerts.windows import QuietHours


class Topic(enum.StrEnum):
    """What a channel can be told of: the words of its `events`."""

    DOWN = "down"
    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"  # only where this monitor can tell about other sites
    CERTIFICATE = "certificate"
    FLAPPING = "flapping"


DEFAULT_TOPICS = frozenset(Topic) - {Topic.DEGRADED}
DEFAULT_GROUP_WAIT_SECONDS = 10.0
DEFAULT_GROUP_INTERVAL_SECONDS = 60.0
DEFAULT_REMINDER_INTERVAL_SECONDS = 4 * 3600.0
DEFAULT_DELIVERY_TIMEOUT_SECONDS = 10.0
DEFAULT_GIVE_UP_AFTER_SECONDS = 24 * 3600.0

GroupBy = Literal["channel", "group", "target"]


@dataclass(frozen=True, slots=True)
class AppriseReceiver:
    """Any service that Apprise knows, by its URL, which holds secrets."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookReceiver:
    """An HTTP endpoint that takes the JSON of a notification.

    Attributes:
        url: may hold secrets.
        secret: signs each message as Standard Webhooks has it; None for no signature.
        headers: sent along; they may hold secrets.
    """

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ExecReceiver:
    """A program that reads the JSON of a notification from its standard input.

    Attributes:
        command: the program and its arguments, which may hold secrets.
    """

    command: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AlertmanagerReceiver:
    """Prometheus' Alertmanager, by the address that its API v2 stands under."""

    url: str = field(repr=False)


Receiver = AppriseReceiver | WebhookReceiver | ExecReceiver | AlertmanagerReceiver


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go, and when.

    Attributes:
        name: unique.
        receiver: takes the messages.
        is_default: whether targets without `alerts` use it.
        topics: what it is told of.
        group_wait_seconds: changes within it are one message.
        group_interval_seconds: the least time between two messages of one group.
        group_by: one group for the channel, for each group of targets, or for each target.
        reminder_interval_seconds: time to the first reminder of what lasts, then doubling up to a day; 0 for none.
        quiet_hours: messages are kept back meanwhile.
        timeout_seconds: the deadline of one delivery.
        allow_private: whether private addresses are posted to.
        give_up_after_seconds: how long the delivery of a message is tried.
        title, body: templates of Jinja2, None for the default text.
    """

    name: str
    receiver: Receiver
    is_default: bool = True
    topics: frozenset[Topic] = DEFAULT_TOPICS
    group_wait_seconds: float = DEFAULT_GROUP_WAIT_SECONDS
    group_interval_seconds: float = DEFAULT_GROUP_INTERVAL_SECONDS
    group_by: GroupBy = "channel"
    reminder_interval_seconds: float = DEFAULT_REMINDER_INTERVAL_SECONDS
    quiet_hours: tuple[QuietHours, ...] = ()
    timeout_seconds: float = DEFAULT_DELIVERY_TIMEOUT_SECONDS
    allow_private: bool = True
    give_up_after_seconds: float = DEFAULT_GIVE_UP_AFTER_SECONDS
    title: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A channel that a target's incidents are told to.

    Attributes:
        channel: its name.
        after_seconds: only incidents that are open and not acknowledged for so long; 0 at once.
    """

    channel: str
    after_seconds: float = 0.0
