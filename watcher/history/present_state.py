"""Where each target stands now, as far as anybody can know; pure, with no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.model.places import COMBINED
from watcher.model.state import State
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A daemon says every few seconds that it lives. One that has not for so long is not there, or cannot write.
STALE_AFTER = timedelta(seconds=15)

# Such a target needs nobody's attention: it is well, or somebody has decided not to look.
FINE = frozenset({State.UP, State.DEGRADED, State.MAINTENANCE, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Present:
    """Where a target stands at one location.

    Attributes:
        target, location, address, group: whose; the address is without its secrets.
        state: of the target.
        since: when the state began, None where nobody knows.
        reason, detail: why, or None.
        watched: False for one that was taken out of the configuration.
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
        """Return it as it is known now: unknown where no daemon watches any more.

        Args:
            alive_at: until when the location is known to have watched, None where it never did.
            now: the moment of asking.
        """
        if alive_at is not None and abs(now - alive_at) <= STALE_AFTER:  # a clock may have been ahead
            return self
        why = "no daemon has been here yet" if alive_at is None else f"no daemon since {timestamp(alive_at)}"
        return replace(self, state=State.UNKNOWN, since=alive_at, reason=None, detail=why)


def that_count(presents: Iterable[Present]) -> Sequence[Present]:
    """Return where targets stand without what single places say of those that several watch together."""
    presents = list(presents)
    together = {present.target for present in presents if present.location == COMBINED}
    return [one for one in presents if one.location == COMBINED or one.target not in together]
