"""What may surprise of alerts: channels that nobody uses, and windows that are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.model.alerts.windows import Maintenance, OnceWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watcher.config.sources import Source
    from watcher.model.alerts.options import AlertingOptions
    from watcher.model.target import Target

    Path = tuple[str | int, ...]


def channels_of_nobody(
    sources: Sequence[Source], targets: Sequence[Target], alerting: AlertingOptions
) -> Iterator[tuple[Source, Path, str]]:
    """Yield the channels that no target is told to, each with its file and its path there."""
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


def windows_that_are_over(
    sources: Sequence[Source], targets: Sequence[Target], alerting: AlertingOptions, now: datetime
) -> Iterator[tuple[Source, Path, str]]:
    """Yield the windows that come once and have been, each with its file and its path there."""
    text = "is over; write another date, or remove the window"
    of_files = iter(alerting.maintenance)
    for source in sources:
        for index, _ in enumerate(source.maintenance):
            if _is_over(next(of_files), now):
                yield source, ("maintenance", index, "start"), text
    over: dict[int, tuple[int, ...]] = {}  # by what targets share
    told = False
    for source in sources:
        ends = source.first_index + len(source.entries)
        for index, target in enumerate(targets[source.first_index : ends]):
            windows = target.alerts.maintenance
            if id(windows) not in over:
                over[id(windows)] = tuple(i for i, window in enumerate(windows) if _is_over(window, now))
            for position in over[id(windows)]:
                if "maintenance" in source.entries[index]:
                    yield source, ("urls", index, "maintenance", position, "start"), text
                elif not told:
                    home = next(one for one in sources if "maintenance" in one.defaults)
                    yield home, ("defaults", "maintenance", position, "start"), text
            told |= bool(over[id(windows)]) and "maintenance" not in source.entries[index]


def _is_over(maintenance: Maintenance, now: datetime) -> bool:
    window = maintenance.window
    return isinstance(window, OnceWindow) and window.start + timedelta(seconds=window.duration_seconds) <= now
