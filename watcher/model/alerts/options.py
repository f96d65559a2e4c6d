"""What the configuration says of alerts, beside what it says of each target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.windows import Maintenance

DEFAULT_CONNECTIVITY_INTERVAL_SECONDS = 30.0
DEFAULT_HEARTBEAT_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Connectivity:
    """Sites that tell whether this machine has a network at all: it has none while none of them answers.

    Attributes:
        targets: addresses.
        interval_seconds: time between two looks.
    """

    targets: tuple[str, ...]
    interval_seconds: float = DEFAULT_CONNECTIVITY_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An address that is called while all is well, so that its owner tells when it is not.

    Attributes:
        url: may hold secrets.
        interval_seconds: time between two calls.
    """

    url: str = field(repr=False)
    interval_seconds: float = DEFAULT_HEARTBEAT_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class AlertingOptions:
    """Channels in the order of the files, and what else holds for all targets."""

    channels: tuple[Channel, ...] = ()
    connectivity: Connectivity | None = None
    heartbeat: Heartbeat | None = None
    maintenance: tuple[Maintenance, ...] = ()
