"""Records every flip, whatever found it; blocks, as the outbox does.

A flip comes from a check (`writer.py`), from a start, a reload or a pause (`startup.py`), or from the end of another
outbox's states (the registration, through the drain). The outbox has them in the order of their calls here, and they
are stored in PostgreSQL like all entries. To learn of every flip, listen here.
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

# The limit of flips in one transaction, for many flips that need not be written together.
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
    """Record flips and their entries in one transaction, all or nothing. Incidents follow the flips.

    Args:
        outbox: to write.
        flips: in the order in which they happened to each target; recording one again is harmless.
        now: seconds since 1970.
        beside: kinds and payloads of other entries, to be stored after the flips.
        minute, measurements, standings, slots_until: see `Outbox.append`.
        has_ended: whether the flips end another outbox's states, and concern no incident here.
        renamed: new names of targets that the flips remove, by the former ones.
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
        # A flip without a number is not part of the chain.
        newest_flips=[(flip.location, flip.target, text) for flip, (_, text) in encoded if flip.number is not None],
        slots_until=slots_until,
        alongside=followed.write if encoded else None,
    )
    followed.tell(outbox)


def record_ended(outbox: Outbox, flips: Sequence[Flip], now: float) -> None:
    """Record the flips that end another outbox's states, in several transactions if there are many.

    If it is cut off, all are recorded again: a flip has the same id each time, so it is stored once.

    Args:
        outbox: to write.
        flips: one for each target, from before this daemon started, so that its own standings stay.
        now: seconds since 1970.
    """
    for first in range(0, len(flips), MAX_AT_ONCE):
        record_flips(outbox, flips[first : first + MAX_AT_ONCE], now=now, has_ended=True)


def _with_incidents(outbox: Outbox, flips: Sequence[Flip]) -> Sequence[Flip]:
    """Leave out flips of one place for targets that several places watch: combined flips have the incident."""
    combined = outbox.combined_targets
    if not combined:
        return flips
    return [flip for flip in flips if flip.location == COMBINED or flip.target not in combined]


def _apart(outbox: Outbox, renamed: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Leave out new names that several places watch, so that the incident of one place ends."""
    combined = outbox.combined_targets
    if not combined or not renamed:
        return renamed
    return {old: new for old, new in renamed.items() if new not in combined}
