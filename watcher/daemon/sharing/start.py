"""The start among other replicas: what this outbox knows and what the database says become where each target stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.model.resumption import resume, take_over
from watcher.outbox.startup import leave_former_location, note, past_of, release

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Mapping, Sequence

    from watcher.model.resumption import Taken
    from watcher.model.state import Standing
    from watcher.model.target import Target
    from watcher.outbox.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a replica watches from its start.

    Attributes:
        targets: those.
        unclaimed: the names of those that are watched though nobody could be asked for their owners.
        taken: what the database knows of the others, by name.
        owners: of the targets that this outbox knows and that are not watched here, by name; what is not among them
            has no owner that is known.
    """

    targets: Sequence[Target]
    unclaimed: frozenset[str] = frozenset()
    taken: Mapping[str, Taken] = field(default_factory=dict)
    owners: Mapping[str, uuid.UUID] = field(default_factory=dict)


def resume_share(
    outbox: Outbox, beginning: Beginning, configured: Collection[str], location: str, now: float
) -> Mapping[str, Standing]:
    """Take up again what is watched here, and let go of what others watch; blocks.

    Args:
        outbox: to read and to write.
        beginning: what is watched here.
        configured: the names of all targets.
        location: where this replica stands.
        now: seconds since 1970.

    Returns:
        where each target stands that is watched here, by name.
    """
    leave_former_location(outbox, location, now)
    own, alive_at = past_of(outbox, location, now)
    moment = datetime.fromtimestamp(now, UTC)
    looked_until = alive_at or moment
    # Of what only this replica has looked at, all is unknown since, for however short a time.
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
    others = {name: standing for name, standing in own.items() if name not in here}
    mine = [name for name in others if beginning.owners.get(name) == outbox.id]
    # What is configured nowhere any more is paused by whoever has watched it last.
    gone = {
        name: standing
        for name, standing in others.items()
        if name not in configured and beginning.owners.get(name) in {None, outbox.id}
    }
    note(outbox, resumption, location, now)
    note(outbox, resume((), gone, location, alive_at=looked_until, now=moment), location, now)
    if mine:
        release(outbox, mine, location, looked_until.timestamp())
    outbox.forget_standings(location, others.keys() - gone.keys())
    return resumption.standings


def _has_other(taken: Mapping[str, Taken], name: str) -> bool:
    """Whether another replica has looked at a target since this one did."""
    return name in taken and taken[name].until is not None
