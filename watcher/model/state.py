"""Where a target stands: what its checks say, once enough of them have said so; pure, with no clock of its own."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.model.outcome import Fault, Reason, time_ordered_id

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence

    from watcher.model.outcome import Outcome

_MOMENT = timedelta(microseconds=1)  # what PostgreSQL can tell apart
# A state that began so far in the future began when a clock was ahead: what comes is not dated there as well.
CLOCK_WAS_AHEAD = timedelta(minutes=1)


class State(enum.StrEnum):
    """Where a target stands."""

    PENDING = "pending"  # not confirmed yet
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"  # this monitor cannot tell, or was not there
    MAINTENANCE = "maintenance"
    PAUSED = "paused"  # not checked, by its owner's will


_NAMED = {str(state): state for state in State}


def state_named(word: str) -> State:
    """Return the state of a word in a table; unknown for a word that a later version, or a hand, has written there."""
    return _NAMED.get(word, State.UNKNOWN)


TROUBLE = frozenset({State.DOWN, State.DEGRADED, State.UNKNOWN})
OF_THE_OPERATOR = frozenset({State.MAINTENANCE, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many checks in a row it takes: failing ones to be down, good ones to be up again."""

    failure: int = 3
    success: int = 2


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one check says by itself: up, degraded, down, or unknown where the monitor is at fault.

    Attributes:
        state: what it says.
        at: when the check began.
        up_until: of the first that contradicts a state that is up or degraded: when the check before it began.
    """

    state: State
    at: datetime
    up_until: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Flip:
    """A confirmed change of state.

    Attributes:
        target, location: whose.
        at: when the new state began: at the first of the checks that confirm it.
        confirmed_at: when enough checks had said so.
        state, before: the new state and the one before.
        cause: of a failing check, why; of other changes a sentence with the reason `internal`, or None.
        check_id: of the check that confirmed it, or None where no check did.
        number: which of the target's flips it is, 1 for the first; None where nobody counted, as in former versions.
        last_up_at: of one that ends a state that is up or degraded: when a check last agreed with it; None where nobody
            knows. It is not stored with the flip.
        up_since: of one that ends being up: since when it was. Whoever else finds the same outage knows of the same
            moment. It is not stored with the flip.
    """

    target: str
    location: str
    at: datetime
    confirmed_at: datetime
    state: State
    before: State
    cause: Fault | None = None
    check_id: uuid.UUID | None = None
    number: int | None = None
    last_up_at: datetime | None = field(default=None, compare=False)
    up_since: datetime | None = field(default=None, compare=False)

    @property
    def flip_id(self) -> uuid.UUID:
        """The name of the flip for ever, so that storing it twice is storing it once."""
        # A clock that was set back brings several flips within the millisecond of the id.
        which = self.at.isoformat() if self.number is None else f"flip {self.number}"
        text = f"{self.target}\0{self.location}\0{self.state}\0{which}"
        return time_ordered_id(self.at, text)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a target stands, and what its last checks say against it.

    Attributes:
        state: the confirmed state.
        since: when it began; None for a target that was never checked.
        before: what it was before it was unknown, maintained or paused; else the state itself.
        unconfirmed: the checks since the last one that agreed with the state, oldest first; bounded by the thresholds.
            Of those in which the monitor was at fault, only the last in a row.
        flips: how many flips have led here, so that each has a number.
        shadow: of a target in maintenance: where it would stand without that. Its own flips are not recorded.
    """

    state: State = State.PENDING
    since: datetime | None = None
    before: State = State.PENDING
    unconfirmed: tuple[Sighting, ...] = ()
    flips: int = 0
    shadow: Standing | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether no check has said anything else since the last that agreed."""
        return not self.unconfirmed and (self.shadow is None or self.shadow.is_confirmed)

    def after(self, sighting: Sighting, thresholds: Thresholds) -> Standing:
        """Take in what a check says.

        Args:
            sighting: of the check; one of before the state began is taken for one of its first moment.
            thresholds: how many of them it takes.

        Returns:
            the new standing; the very same object where nothing has changed.
        """
        if self.shadow is not None:
            return self._with_shadow(self.shadow.after(sighting, thresholds))
        if self.state in OF_THE_OPERATOR:
            return self  # the operator's word stands until it is taken back
        if sighting.state is self.state is State.UNKNOWN:
            return self
        if sighting.state is self.state:
            return self if self.is_confirmed else replace(self, unconfirmed=())
        if sighting.state is State.UNKNOWN:
            # Says nothing for or against the site; only many in a row make the state itself unknown.
            kept = (*self.unconfirmed, sighting)
            blind = _trailing(kept, lambda state: state is State.UNKNOWN)
            if len(blind) < thresholds.failure:
                return replace(self, unconfirmed=kept)
            return self._changed(State.UNKNOWN, blind[0].at)
        telling = [one for one in (*self.unconfirmed, sighting) if one.state is not State.UNKNOWN]
        kept = tuple(telling[-max(thresholds.failure, thresholds.success) :])
        found = _confirmed(self._judged, kept, thresholds)
        if found is None:
            return replace(self, unconfirmed=kept)
        state, sightings = found
        # What was seen before a gap may have confirmed it, but the gap stays one.
        began = next((one.at for one in sightings if self.since is None or one.at > self.since), sighting.at)
        rest = _trailing(kept, lambda seen: seen is not state)
        return replace(self._changed(state, began), unconfirmed=rest)

    def interrupted(self, at: datetime) -> Standing:
        """Become unknown, since nobody looked; what the last checks said still counts after that."""
        if self.shadow is not None:
            return self._with_shadow(self.shadow.interrupted(at))
        if self.state in OF_THE_OPERATOR or (self.state in {State.PENDING, State.UNKNOWN} and self.is_confirmed):
            return self
        if self.state is State.UNKNOWN and self.since is not None:
            # It goes on, and what was seen in it may not make it end before this gap.
            since = self.since
            return replace(self, unconfirmed=tuple(replace(one, at=min(one.at, since)) for one in self.unconfirmed))
        return replace(self._changed(State.UNKNOWN, at), unconfirmed=self.unconfirmed)

    def held(self, state: State, at: datetime) -> Standing:
        """Become maintained or paused, by the operator's will; the same object where it is so already."""
        if self.state is state:
            return self
        held = self._changed(state, at)
        return replace(held, shadow=self) if state is State.MAINTENANCE else held

    def released(self, at: datetime) -> Standing:
        """End a maintenance or a pause: as checks found it meanwhile, or unknown until the next one says more."""
        if self.state not in OF_THE_OPERATOR:
            return self
        if self.shadow is None:
            return self._changed(State.UNKNOWN, at)
        if self.shadow.state in {State.UP, State.DEGRADED, State.DOWN}:
            return replace(self._changed(self.shadow.state, at), unconfirmed=self.shadow.unconfirmed)
        unknown = self._changed(State.UNKNOWN, at)
        return replace(unknown, before=self.shadow.before, unconfirmed=self.shadow.unconfirmed)

    def became(self, state: State, at: datetime) -> Standing:
        """Become what no check of one's own has found; the same object where it is so already."""
        return self if state is self.state else self._changed(state, at)

    @property
    def _judged(self) -> State:
        """The state that checks agree with or not."""
        return self.before if self.state is State.UNKNOWN else self.state

    def _with_shadow(self, shadow: Standing) -> Standing:
        return self if shadow is self.shadow else replace(self, shadow=shadow)

    def _changed(self, state: State, at: datetime) -> Standing:
        if self.since is not None and at <= self.since < at + CLOCK_WAS_AHEAD:
            at = self.since + _MOMENT  # a clock that was set back: history goes one way
        seen = {State.UNKNOWN, *OF_THE_OPERATOR}
        before = (self.before if self.state in seen else self.state) if state in seen else state
        return Standing(state, at, before, flips=self.flips + 1)


NEVER_CHECKED = Standing()


def sighting_of(outcome: Outcome) -> Sighting:
    """Say what one check says by itself."""
    if outcome.fault is None:
        return Sighting(State.UP if outcome.degraded is None else State.DEGRADED, outcome.started_at)
    of_the_monitor = outcome.fault.reason in {Reason.LOCAL, Reason.INTERNAL}
    return Sighting(State.UNKNOWN if of_the_monitor else State.DOWN, outcome.started_at)


def _confirmed(
    state: State, sightings: Sequence[Sighting], thresholds: Thresholds
) -> tuple[State, Sequence[Sighting]] | None:
    """Say which state enough sightings confirm, and which of them; None where they do not."""
    failing = _trailing(sightings, lambda seen: seen is State.DOWN)
    passing = _trailing(sightings, lambda seen: seen is not State.DOWN)
    good = _trailing(sightings, lambda seen: seen is State.UP)
    last = sightings[-1].state
    if state is last:  # after a gap, all is as it was before
        return state, sightings[-1:]
    if state is not State.DOWN and len(failing) >= thresholds.failure:
        return State.DOWN, failing
    if state is State.PENDING and last is not State.DOWN:
        return last, sightings[-1:]  # nothing to recover from
    if state is State.UP and len(sightings) >= thresholds.failure:
        return State.DEGRADED, sightings
    if state is State.DEGRADED and len(good) >= thresholds.success:
        return State.UP, good
    if state is State.DOWN and len(good) >= thresholds.success:
        return State.UP, passing
    if state is State.DOWN and len(passing) >= thresholds.success:
        return State.DEGRADED, passing
    return None


def _trailing(sightings: Sequence[Sighting], says: Callable[[State], bool]) -> tuple[Sighting, ...]:
    kept = len(sightings)
    while kept and says(sightings[kept - 1].state):
        kept -= 1
    return tuple(sightings[kept:])
