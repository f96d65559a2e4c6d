"""The present state of each target, as far as it is known. Pure, without a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.model.places import COMBINED
from watcher.model.state import State
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A daemon reports every few seconds that it runs. One silent for so long does not run, or cannot write.
STALE_AFTER = timedelta(seconds=15)

# Such a target needs no attention: it is well, or an operator has decided to ignore it.
FINE = frozenset({State.UP, State.DEGRADED, State.MAINTENANCE, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Present:
    """The present state of a target at one location.

    Attributes:
        target, location, address, group: of the target; the address is without its secrets.
        state: of the target.
        since: when the state started; None if unknown.
        reason, detail: why, or None.
        watched: False for a target that was taken out of the configuration.
    """

    target: str
    location: str
    address: str
    group: str | None
    state: State
    since: datetime | None
    reason: str | None
    detail: str | None
    watched: bool = True

    def as_known(self, *, alive_at: datetime | None, now: datetime) -> Present:
        """Return the state as known now: unknown if no daemon watches any more.

        Args:
            alive_at: until when the location is known to have watched; None if it never did.
            now: the moment of the query.
        """
        if alive_at is not None and abs(now - alive_at) <= STALE_AFTER:  # a clock may have been ahead
            return self
        why = "no daemon has run here yet" if alive_at is None else f"no daemon since {timestamp(alive_at)}"
        return replace(self, state=State.UNKNOWN, since=alive_at, reason=None, detail=why)


def that_count(presents: Iterable[Present]) -> Sequence[Present]:
    """Return the states without those of single places, for targets that several places watch together."""
    presents = list(presents)
    together = {present.target for present in presents if present.location == COMBINED}
    return [one for one in presents if one.location == COMBINED or one.target not in together]
