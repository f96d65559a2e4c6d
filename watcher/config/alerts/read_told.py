"""Reads the alerting options of a target: channels, dependencies, maintenance, description and labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from watcher.config.alerts.common import is_name, seconds_of
from watcher.config.alerts.read_windows import read_maintenance
from watcher.config.mistakes import did_you_mean, dotted, shown
from watcher.config.schema.alert_keys import ToldOptions
from watcher.config.schema.limits import MAX_DESCRIPTION_CHARS, MAX_LABELS, MAX_NAME_CHARS
from watcher.model.alerts.channel import Route
from watcher.model.alerts.of_target import Dependency, TargetAlerts

if TYPE_CHECKING:
    from collections.abc import Collection

    from watcher.config.mistakes import Complain
    from watcher.model.alerts.windows import Maintenance

TOLD_KEYS = tuple(ToldOptions.__annotations__)

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # as Prometheus has it


def read_told(
    values: ToldOptions, complain: Complain, channels: Collection[str], shared: dict[Any, Any]
) -> TargetAlerts:
    """Read the alerting options of a target.

    Args:
        values: an entry merged with the defaults.
        complain: records a mistake.
        channels: the names of all channels.
        shared: parts of other targets, reused if equal; new parts are added to it.
    """
    routes, depends_on = _routes(values, complain, channels), _dependencies(values, complain)
    maintenance, labels = _maintenance(values, complain), _labels(values, complain)
    description = values.get("description")
    if description and (not description.strip() or len(description) > MAX_DESCRIPTION_CHARS):
        complain(("description",), f"{shown(description)} is not a text of 1 to {MAX_DESCRIPTION_CHARS} characters")
    return TargetAlerts(
        routes=shared.setdefault(routes, routes),
        depends_on=shared.setdefault(depends_on, depends_on),
        maintenance=shared.setdefault(maintenance, maintenance),
        description=description or None,
        labels=shared.setdefault(labels, labels),
    )


def _routes(values: ToldOptions, complain: Complain, channels: Collection[str]) -> tuple[Route, ...] | None:
    written = values.get("alerts")
    if written is None:
        return None
    routes: dict[str, Route] = {}
    for index, one in enumerate(written):
        name, path = one["channel"], ("alerts", index)
        if name not in channels:
            known = did_you_mean(name, channels) or f"; {_known(channels)}"
            complain((*path, "channel"), f"no channel is called {shown(name)}{known}")
        elif name in routes:
            complain((*path, "channel"), f"{shown(name)} is written twice; remove one")
        routes[name] = Route(name, seconds_of(one, (*path, "after"), complain, default=0.0, least=0))
    return tuple(routes.values())


def _known(channels: Collection[str]) -> str:
    some = ", ".join(sorted(channels)[:10])
    return f"known are {some}" if some else "make one under `channels`"


def _dependencies(values: ToldOptions, complain: Complain) -> tuple[Dependency, ...]:
    found = []
    for index, one in enumerate(values.get("depends_on") or ()):
        if bool(one.get("target")) == bool(one.get("group")):
            complain(
                ("depends_on", index), "needs exactly one of target and group; write the name of a target, or one group"
            )
            found.append(Dependency())
        else:
            found.append(Dependency(one.get("target"), one.get("group")))
    return tuple(found)


def _maintenance(values: ToldOptions, complain: Complain) -> tuple[Maintenance, ...]:
    found = []
    for index, one in enumerate(values.get("maintenance") or ()):
        for key in ("group", "targets"):
            if key in one:
                text = "is only for the `maintenance` of the file; this one holds for its own entry, so remove it"
                complain(("maintenance", index, key), text)
        found.append(read_maintenance(one, ("maintenance", index), complain))
    return tuple(found)


def _labels(values: ToldOptions, complain: Complain) -> tuple[tuple[str, str], ...]:
    labels = values.get("labels") or {}
    if len(labels) > MAX_LABELS:
        complain(("labels",), f"has {len(labels)} labels; {MAX_LABELS} is the limit")
    for name, value in labels.items():
        path = ("labels", name)
        if not _LABEL.fullmatch(name) or name.startswith("__") or len(name) > MAX_NAME_CHARS:
            text = "is not a label name; write letters, digits and _, as in team"
            complain(path, f"{shown(dotted([name]))} {text}", key=True)
        elif not is_name(value):
            complain(path, f"{shown(value)} is not one line of 1 to {MAX_NAME_CHARS} printable characters")
    return tuple(labels.items())
