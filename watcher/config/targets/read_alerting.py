"""Reads channels, connectivity, heartbeat and maintenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.config.alerts.common import seconds_of, without_empty
from watcher.config.alerts.dependencies import Names, Node
from watcher.config.alerts.read_channels import read_channel, read_url
from watcher.config.alerts.read_windows import read_maintenance
from watcher.config.mistakes import shown
from watcher.config.schema.limits import SHORTEST_LOOK_SECONDS
from watcher.config.targets.address import complaint_about
from watcher.model.alerts.options import (
    DEFAULT_CONNECTIVITY_INTERVAL_SECONDS,
    DEFAULT_HEARTBEAT_INTERVAL_SECONDS,
    AlertingOptions,
    Connectivity,
    Heartbeat,
)
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from watcher.config.mistakes import Complain
    from watcher.config.schema.channel_keys import ChannelKeys
    from watcher.config.targets.mistake_list import Mistakes
    from watcher.config.targets.validation import ValidFile
    from watcher.model.alerts.channel import Channel
    from watcher.model.alerts.windows import Maintenance
    from watcher.model.target import Target

    # Checks what only the delivery code can check. It returns for each mistake the index of the channel, the key
    # (`url`, `title`, `body`), and the problem and its remedy without secrets.
    Inspect = Callable[[Sequence[Channel]], Iterable[tuple[int, str, str]]]


def names_of_channels(files: Sequence[ValidFile]) -> frozenset[str]:
    """Return the names of all channels, including those with mistakes."""
    raw = [item for file in files for item in _items(file, "channels") if isinstance(item, dict)]
    return frozenset(name for item in raw if isinstance(name := item.get("name"), str))


def read_alerting(
    files: Sequence[ValidFile], targets: Sequence[Target], mistakes: Mistakes, inspect: Inspect | None = None
) -> AlertingOptions:
    """Read channels, connectivity, heartbeat and maintenance.

    Args:
        files: all files; channels and windows add up, the other sections may be in one file only.
        targets: the targets of all files.
        mistakes: collects mistakes.
        inspect: checks the channels that have no other mistake.
    """
    return AlertingOptions(
        channels=_channels(files, mistakes, inspect),
        connectivity=_connectivity(_only_one(files, "connectivity", mistakes), mistakes),
        heartbeat=_heartbeat(_only_one(files, "heartbeat", mistakes), mistakes),
        maintenance=_maintenance(files, targets, mistakes),
    )


def _items(file: ValidFile, key: str) -> Collection[Any]:
    data = file.document.data
    items = data.get(key) if isinstance(data, dict) else None
    return items if isinstance(items, list) else ()


def _complainer(file: ValidFile, base: tuple[str | int, ...], mistakes: Mistakes) -> Complain:
    def complain(path: tuple[str | int, ...], text: str, *, key: bool = False) -> None:
        mistakes.complain(file.document, (*base, *path), text, key=key)

    return complain


def _channels(files: Sequence[ValidFile], mistakes: Mistakes, inspect: Inspect | None) -> tuple[Channel, ...]:
    channels: list[Channel] = []
    good: list[tuple[Channel, ChannelKeys, Complain]] = []
    named: dict[str, tuple[ValidFile, int]] = {}
    for file in files:
        for index, written in file.channels:
            complain, before = _complainer(file, ("channels", index), mistakes), len(mistakes)
            channel = read_channel(written, complain, file.path.parent)
            channels.append(channel)
            other, first = named.setdefault(channel.name, (file, index))
            if other is not file or first != index:
                place = other.document.place_of(("channels", first, "name"))
                complain(("name",), f"{shown(channel.name)} is the name of the channel at {place} too; rename one")
            if len(mistakes) == before:
                good.append((channel, written, complain))
    for number, key, text in inspect([channel for channel, _, _ in good]) if inspect is not None and good else ():
        _, written, complain = good[number]
        complain(("url_file" if key == "url" and "url_file" in written else key,), text)
    return tuple(channels)


def _only_one(files: Sequence[ValidFile], key: str, mistakes: Mistakes) -> ValidFile | None:
    written = [file for file in files if getattr(file, key) is not None]
    for other in written[1:]:
        first = written[0].document.place_of((key,), key=True)
        text = f"is written in {first} too, and holds for all files of the folder; keep one of them"
        mistakes.complain(other.document, (key,), text, key=True)
    return written[0] if written else None


def _connectivity(file: ValidFile | None, mistakes: Mistakes) -> Connectivity | None:
    if file is None or file.connectivity is None:
        return None
    complain = _complainer(file, ("connectivity",), mistakes)
    values = without_empty(file.connectivity, (), complain)
    for index, address in enumerate(values.get("targets", ())):
        complaint = complaint_about(address)
        if complaint is not None:
            complain(("targets", index), f"{shown(without_secrets(address))} {complaint}")
    interval = seconds_of(
        values, ("interval",), complain, default=DEFAULT_CONNECTIVITY_INTERVAL_SECONDS, least=SHORTEST_LOOK_SECONDS
    )
    return Connectivity(tuple(values.get("targets", ())), interval)


def _heartbeat(file: ValidFile | None, mistakes: Mistakes) -> Heartbeat | None:
    if file is None or file.heartbeat is None:
        return None
    complain = _complainer(file, ("heartbeat",), mistakes)
    values = without_empty(file.heartbeat, (), complain)
    interval = seconds_of(
        values, ("interval",), complain, default=DEFAULT_HEARTBEAT_INTERVAL_SECONDS, least=SHORTEST_LOOK_SECONDS
    )
    return Heartbeat(read_url(values, (), complain, file.path.parent), interval)


def _maintenance(files: Sequence[ValidFile], targets: Sequence[Target], mistakes: Mistakes) -> tuple[Maintenance, ...]:
    found = []
    names: Names | None = None  # rarely needed
    for file in files:
        for index, written in file.maintenance:
            complain = _complainer(file, ("maintenance", index), mistakes)
            window = read_maintenance(written, (), complain)
            found.append(window)
            said: list[tuple[tuple[str | int, ...], Node]] = []
            said += [(("group",), Node(window.group, is_group=True))] if window.group is not None else []
            said += [(("targets", number), Node(name)) for number, name in enumerate(written.get("targets") or ())]
            if said:
                names = names or Names(targets)
            for path, node in said:
                complaint = names.complaint_about(node) if names is not None else None
                if complaint is not None:
                    complain(path, complaint)
    return tuple(found)
