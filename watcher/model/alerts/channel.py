"""Channels: where messages go, and how often."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from watcher.model.alerts.windows import QuietHours


class Topic(enum.StrEnum):
    """A topic that a channel can be notified of: the words of its `events`."""

    DOWN = "down"
    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"  # only while this monitor can check other sites
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
    """Any service that Apprise supports, by its URL, which holds secrets."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookReceiver:
    """An HTTP endpoint that receives the JSON of a notification.

    Attributes:
        url: may hold secrets.
        secret: signs each message by Standard Webhooks; None for no signature.
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
    """Prometheus' Alertmanager, by the base address of its API v2."""

    url: str = field(repr=False)


Receiver = AppriseReceiver | WebhookReceiver | ExecReceiver | AlertmanagerReceiver


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages are sent, how often, and when.

    Attributes:
        name: unique.
        receiver: gets the messages.
        is_default: whether targets without `alerts` use it.
        topics: those it is notified of.
        group_wait_seconds: changes within this time are one message.
        group_interval_seconds: the least time between two messages of one group.
        group_by: one group for the channel, for each group of targets, or for each target.
        reminder_interval_seconds: time to the first reminder of a lasting trouble, doubling up to a day; 0 for none.
        quiet_hours: when messages are kept back.
        timeout_seconds: the deadline of one delivery.
        allow_private: whether private addresses are allowed.
        give_up_after_seconds: how long the delivery of a message is tried.
        title, body: Jinja2 templates; None for the default text.
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
    """A channel that is notified of a target's incidents.

    Attributes:
        channel: its name.
        after_seconds: only of incidents that are open and not acknowledged for so long; 0 for at once.
    """

    channel: str
    after_seconds: float = 0.0
