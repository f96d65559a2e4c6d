"""Starts among other replicas: computes each target's standing from this outbox and the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.model.resumption import resume, take_over
from watcher.outbox.startup import leave_former_location, note, past_of, release

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from watcher.model.resumption import Taken
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Beginning:
    """The targets that a replica watches from its start.

    Attributes:
        targets: those targets.
        unclaimed: names of those that are watched though their owners could not be queried.
        taken: what the database knows of the others, by name.
        owners: known owners of the targets that this outbox knows and that are not watched here, by name.
    """

    targets: Sequence[Target]
    unclaimed: frozenset[str] = frozenset()
    taken: Mapping[str, Taken] = field(default_factory=dict)
    owners: Mapping[str, uuid.UUID] = field(default_factory=dict)


def resume_share(
    outbox: Outbox, beginning: Beginning, configured: Sequence[Target], location: str, now: float
) -> Mapping[str, Standing]:
    """Resume the targets watched here, and release those that others watch; blocks.

    Args:
        outbox: to read and to write.
        beginning: the targets watched here.
        configured: all targets, at this location and elsewhere.
        location: of this replica.
        now: seconds since 1970.

    Returns:
        the standing of each target watched here, by name.
    """
    leave_former_location(outbox, location, now)
    own, alive_at = past_of(outbox, location, now)
    moment = datetime.fromtimestamp(now, UTC)
    looked_until = alive_at or moment
    # Targets that only this replica has checked are unknown since it stopped, for however short a time.
    alone = [one for one in beginning.targets if one.name in own and not _has_other(beginning.taken, one.name)]
    resumption = resume(
        alone, {one.name: own[one.name] for one in alone}, location, alive_at=looked_until, now=moment
    ).and_also(
        take_over(
            [one for one in beginning.targets if one.name not in own or _has_other(beginning.taken, one.name)],
            beginning.taken,
            location,
            moment,
            own=own,
            alive_at=alive_at,
        )
    )
    here = {target.name for target in beginning.targets}
    elsewhere = frozenset(target.name for target in configured if not target.is_watched_at(location))
    shared = frozenset(target.name for target in configured).difference(elsewhere)
    others = {name: standing for name, standing in own.items() if name not in here}
    mine = [name for name in others if beginning.owners.get(name) == outbox.id]
    # A target that no replica of this location watches any more is paused by the replica that watched it last.
    gone = {
        name: standing
        for name, standing in others.items()
        if name not in shared and beginning.owners.get(name) in {None, outbox.id}
    }
    note(outbox, resumption, location, now)
    note(outbox, resume((), gone, location, alive_at=looked_until, now=moment, elsewhere=elsewhere), location, now)
    if mine:
        release(outbox, mine, location, looked_until.timestamp())
    outbox.forget_standings(location, others.keys() - gone.keys())
    return resumption.standings


def _has_other(taken: Mapping[str, Taken], name: str) -> bool:
    """Return whether another replica has checked a target since this one did."""
    return name in taken and taken[name].until is not None
