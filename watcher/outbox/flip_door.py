"""The one door through which every flip is recorded, whoever has found it; it blocks, as the outbox does.

A flip is what a check confirmed (`writer.py`), what a start, a reload or a pause makes of the past (`startup.py`), or
the end of what another outbox knew (the registration, by way of the drain). They stand in the outbox in the order in
which they came through here, and go to PostgreSQL like all else. Whoever wants to know of each of them listens here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.model.places import COMBINED
from watcher.outbox.alerts import FlipsFollowed
from watcher.outbox.encoding import encode_flip

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watcher.model.state import Flip
    from watcher.outbox.outbox import Outbox

# The bound of the flips in one transaction, where many come that nothing ties together.
MAX_AT_ONCE = 2000


def record_flips(
    outbox: Outbox,
    flips: Iterable[Flip],
    *,
    now: float,
    beside: Iterable[tuple[str, str]] = (),
    minute: int = 0,
    measurements: str | None = None,
    standings: Iterable[tuple[str, str, str]] = (),
    slots_until: float | None = None,
    has_ended: bool = False,
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Record flips, with what belongs into the same transaction: all or nothing. Incidents follow them.

    Args:
        outbox: where they wait.
        flips: in the order in which they happened to each target; one that was recorded before is harmless.
        now: seconds since 1970.
        beside: kinds and payloads of other entries, to be stored after the flips.
        minute, measurements, standings, slots_until: see `Outbox.append`.
        has_ended: whether they are the end of what another outbox knew, and say nothing of what is open here.
        renamed: new names of those whose flips say that they are taken out, by their former names.
    """
    encoded = [(flip, encode_flip(flip)) for flip in flips]
    followed = FlipsFollowed(
        () if has_ended else _with_incidents(outbox, [flip for flip, _ in encoded]), _apart(outbox, renamed)
    )
    outbox.append(
        [*(entry for _, entry in encoded), *beside],
        now=now,
        minute=minute,
        measurements=measurements,
        standings=standings,
        # What was recorded without a number is not part of the chain.
        newest_flips=[(flip.location, flip.target, text) for flip, (_, text) in encoded if flip.number is not None],
        slots_until=slots_until,
        alongside=followed.write if encoded else None,
    )
    followed.tell(outbox)


def record_ended(outbox: Outbox, flips: Sequence[Flip], now: float) -> None:
    """Record the flips that end what another outbox knew, in several transactions where they are many.

    Where it is cut off, all are recorded once more: a flip has the same id each time, so that it is stored once.

    Args:
        outbox: where they wait.
        flips: one a target, of a time before this daemon began, so that no standing of its own changes.
        now: seconds since 1970.
    """
    for first in range(0, len(flips), MAX_AT_ONCE):
        record_flips(outbox, flips[first : first + MAX_AT_ONCE], now=now, has_ended=True)


def _with_incidents(outbox: Outbox, flips: Sequence[Flip]) -> Sequence[Flip]:
    """Leave out what one place has found of a target that several watch: what all of them say has the incident."""
    combined = outbox.combined_targets
    if not combined:
        return flips
    return [flip for flip in flips if flip.location == COMBINED or flip.target not in combined]


def _apart(outbox: Outbox, renamed: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Leave out what several places watch under its new name, so that what is open at one of them ends."""
    combined = outbox.combined_targets
    if not combined or not renamed:
        return renamed
    return {old: new for old, new in renamed.items() if new not in combined}
