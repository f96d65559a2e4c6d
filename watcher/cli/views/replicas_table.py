"""Formats the replicas of each location for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from watcher.cli.views.wording import styled
from watcher.model.places import COMBINED
from watcher.reporting.replicas import ReplicaState
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from watcher.reporting.replicas import LocationReplicas, SeenReplica

NOBODY = "no replicas; daemons share targets if POSTGRES_HOST names a common database"
SHOWN_DIGITS = 8  # of a configuration's fingerprint

_COLOURS = {
    ReplicaState.AGREED: "bold green",
    ReplicaState.CHANGING: "bold yellow",
    ReplicaState.JOINING: "cyan",
    ReplicaState.LEAVING: "blue",
    ReplicaState.GONE: "bold red",
}


def replicas_table(locations: Sequence[LocationReplicas]) -> RenderableType:
    """Show each replica in a line, location by location."""
    if not locations:
        return Text(NOBODY)
    return Group(*(part for location in locations for part in _location(location)))


def _location(location: LocationReplicas) -> Iterator[RenderableType]:
    agreed = sum(one.state in {ReplicaState.AGREED, ReplicaState.CHANGING} for one in location.replicas)
    together = "decide for all locations" if location.location == COMBINED else "share the targets"
    yield styled(f"{location.location}: {agreed} of {len(location.replicas)} {together}, epoch {location.epoch}")
    table = Table("  replica", "state", "targets", "late", "by epoch", "configuration", "version", "last heard of",
                  box=None, pad_edge=False)  # fmt: skip
    for one in location.replicas:
        table.add_row(*_cells(one))
    yield table


def _cells(one: SeenReplica) -> Iterator[Text]:
    known = one.known
    late = known.figures.lateness_ms
    yield styled(f"  {known.name}")
    yield styled(one.state, _COLOURS[one.state])
    yield styled(str(known.figures.targets))
    yield styled("" if late is None else f"{late:.1f} ms")
    yield styled(str(known.member.epoch or ""))
    yield styled(known.member.seat.fingerprint[:SHOWN_DIGITS])
    yield styled(known.version)
    yield styled(timestamp(known.beat_at))
