"""Warnings about alerts: unused channels, keys without effect, and windows that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.alerting.policy.windows import never_comes
from watcher.model.alerts.windows import OnceWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from watcher.config.sources import Source
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.alerts.windows import Maintenance
    from watcher.model.target import Target

    Path = tuple[str | int, ...]

# Keys that an Alertmanager ignores, or does itself.
NOT_FOR_ALERTMANAGER = (
    "group_wait",
    "group_interval",
    "group_by",
    "reminder_interval",
    "quiet_hours",
    "give_up_after",
    "title",
    "body",
)


def channels_of_nobody(
    sources: Sequence[Source], targets: Sequence[Target], alerting: AlertingOptions
) -> Iterator[tuple[Source, Path, str]]:
    """Yield the channels that no target uses, each with its file and its path there."""
    shared = {id(target.alerts): target.alerts for target in targets}.values()
    named = {route.channel for alerts in shared for route in alerts.routes or ()}
    uses_default = any(alerts.routes is None for alerts in shared)
    places = [(source, ("channels", index)) for source in sources for index, _ in enumerate(source.channels)]
    for (source, path), channel in zip(places, alerting.channels, strict=True):
        if channel.name not in named and not (channel.is_default and uses_default):
            text = "is used by no target; name it in the `alerts` of an entry or of the defaults, or remove it"
            if not channel.is_default and uses_default:
                text = "is used by no target; name it in `alerts`, or remove `default: false`"
            yield source, (*path, "name"), text


def keys_of_no_effect(sources: Sequence[Source]) -> Iterator[tuple[Source, Path, str]]:
    """Yield the keys of Alertmanager channels that have no effect, each with its file and its path there."""
    for source in sources:
        for index, channel in enumerate(source.channels):
            for key in NOT_FOR_ALERTMANAGER if "alertmanager" in channel else ():
                if key in channel:
                    text = "has no effect here, since the Alertmanager does that itself; remove it"
                    yield source, ("channels", index, key), text


def windows_that_are_over(
    sources: Sequence[Source], targets: Sequence[Target], alerting: AlertingOptions, now: datetime
) -> Iterator[tuple[Source, Path, str]]:
    """Yield the single windows that are over, each with its file and its path there."""
    text = "is over; write another date, or remove the window"
    of_files = iter(alerting.maintenance)
    for source in sources:
        for index, _ in enumerate(source.maintenance):
            if _is_over(next(of_files), now):
                yield source, ("maintenance", index, "start"), text
    shared = {id(target.alerts.maintenance): target.alerts.maintenance for target in targets}
    over = {key: [i for i, one in enumerate(windows) if _is_over(one, now)] for key, windows in shared.items()}
    if not any(over.values()):
        return
    reported = False  # the windows of the defaults
    for source in sources:
        for index, entry in enumerate(source.entries):
            found = over[id(targets[source.first_index + index].alerts.maintenance)]
            if found and "maintenance" in entry:
                yield from ((source, ("urls", index, "maintenance", position, "start"), text) for position in found)
            elif found and not reported:
                reported = True
                home = next(one for one in sources if "maintenance" in one.defaults)
                yield from ((home, ("defaults", "maintenance", position, "start"), text) for position in found)


def _is_over(maintenance: Maintenance, now: datetime) -> bool:
    return isinstance(maintenance.window, OnceWindow) and never_comes(maintenance.window, now)
