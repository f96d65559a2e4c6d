"""Several places watch one target: what each of them says, and what that comes to together; pure, with no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from watcher.model.outcome import Fault
    from watcher.model.state import State

# The location of what all places say together. No replica stands there.
COMBINED = "*"


@dataclass(frozen=True, slots=True)
class PlaceView:
    """Where a target stands as one place sees it.

    Attributes:
        location: of the place.
        state: of the target there; unknown where the place has not said anything yet.
        since: when that state began; None where nobody knows.
        reason, detail: why, or None.
        is_alive: whether a replica watches there. The view of a place without one is the last that it had.
    """

    location: str
    state: State
    since: datetime | None = None
    reason: str | None = None
    detail: str | None = None
    is_alive: bool = True


@dataclass(frozen=True, slots=True)
class Combined:
    """What all places say together.

    Attributes:
        state: of the target.
        since: when the view began that made it so; None where nobody knows.
        cause: why, with the places named; None where all is well and every place can tell.
    """

    state: State
    since: datetime | None = None
    cause: Fault | None = None
