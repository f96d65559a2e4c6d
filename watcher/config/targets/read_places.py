"""Reads the locations and the quorum of a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.config.mistakes import shown
from watcher.config.schema.limits import MAX_LOCATIONS
from watcher.model.places import complaint_about_location

if TYPE_CHECKING:
    from watcher.config.mistakes import Complain
    from watcher.config.schema.config_file import Options


@dataclass(frozen=True, slots=True)
class TargetPlaces:
    """Attributes as in `Target`."""

    locations: tuple[str, ...] = ()
    quorum: int = 0


NO_PLACES = TargetPlaces()


def read_places(entry: Options, values: Options, complain: Complain, *, of_defaults: bool) -> TargetPlaces:
    """Read the locations that watch a target, and their quorum.

    Args:
        entry: the entry itself.
        values: the entry merged with the defaults.
        complain: records a mistake.
        of_defaults: whether the entry is the defaults, which may have `quorum` alone.
    """
    locations, quorum = tuple(values.get("locations") or ()), values.get("quorum")
    _refuse_bad_names(locations, complain)
    if quorum is not None and quorum < 1:
        complain(("quorum",), f"{quorum} is below 1; write how many locations must find the target down")
    elif quorum is not None and not locations and "quorum" in entry and not of_defaults:
        complain(("quorum",), "is written without locations; write which locations watch the target, or remove it")
    elif quorum is not None and locations and quorum > len(locations):
        if "quorum" in entry or "locations" not in entry:
            text = f"{quorum} is above {len(locations)}, the number of locations; lower it, or add locations"
            complain(("quorum",), text)
        else:
            quorum = len(locations)  # a default is for many targets, so it adapts
    if not locations:
        return NO_PLACES
    return TargetPlaces(locations, len(locations) // 2 + 1 if quorum is None else quorum)


def _refuse_bad_names(locations: tuple[str, ...], complain: Complain) -> None:
    if len(locations) > MAX_LOCATIONS:
        complain(("locations",), f"has more than {MAX_LOCATIONS} locations; write fewer")
    known: dict[str, int] = {}
    for index, name in enumerate(locations):
        first = known.setdefault(name, index)
        complaint = complaint_about_location(name) if name else "is empty; write the name of a location, or remove it"
        if complaint is not None:
            complain(("locations", index), f"{shown(name)} {complaint}" if name else complaint)
        elif first != index:
            complain(("locations", index), f"{shown(name)} is written in locations[{first}] too; remove one")
