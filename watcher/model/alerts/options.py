"""The alerting options of a configuration, apart from those of each target."""

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
    """Sites that prove that this machine has a network: it has none while none of them answers.

    Attributes:
        targets: addresses.
        interval_seconds: time between two looks.
    """

    targets: tuple[str, ...]
    interval_seconds: float = DEFAULT_CONNECTIVITY_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An address that is called while the monitor is well, so that its receiver notices silence.

    Attributes:
        url: may hold secrets.
        interval_seconds: time between two calls.
    """

    url: str = field(repr=False)
    interval_seconds: float = DEFAULT_HEARTBEAT_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class AlertingOptions:
    """Channels in the order of the files, and options for all targets."""

    channels: tuple[Channel, ...] = ()
    connectivity: Connectivity | None = None
    heartbeat: Heartbeat | None = None
    maintenance: tuple[Maintenance, ...] = ()
