"""The state of a target: the result of its checks, once enough of them agree. Pure, without a clock of its own."""

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

_MOMENT = timedelta(microseconds=1)  # the resolution of PostgreSQL
# A state that started so far in the future was dated by a wrong clock: later states are not dated there as well.
CLOCK_WAS_AHEAD = timedelta(minutes=1)


class State(enum.StrEnum):
    """The states of a target."""

    PENDING = "pending"  # not confirmed yet
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"  # this monitor cannot tell, or did not run
    MAINTENANCE = "maintenance"
    PAUSED = "paused"  # not checked, by order of the operator


_NAMED = {str(state): state for state in State}


def state_named(word: str) -> State:
    """Return the state of a word in a table; `unknown` for a word of a later version or one written by hand."""
    return _NAMED.get(word, State.UNKNOWN)


TROUBLE = frozenset({State.DOWN, State.DEGRADED, State.UNKNOWN})
OF_THE_OPERATOR = frozenset({State.MAINTENANCE, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The checks in a row that confirm a change: failing ones for down, good ones for up."""

    failure: int = 3
    success: int = 2


@dataclass(frozen=True, slots=True)
class Sighting:
    """The state by one check alone: up, degraded, down, or unknown if the monitor is at fault.

    Attributes:
        state: by this check.
        at: when the check started.
        up_until: for the first one that contradicts up or degraded: when the check before it started.
    """

    state: State
    at: datetime
    up_until: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Flip:
    """A confirmed change of state.

    Attributes:
        target, location: of the flip.
        at: when the new state started: at the first of the checks that confirm it.
        confirmed_at: when enough checks agreed.
        state, before: the new state and the one before.
        cause: why a check failed; for other changes a sentence with the reason `internal`, or None.
        check_id: of the check that confirmed it; None if no check did.
        number: its place among the target's flips, from 1; None if uncounted, as in former versions.
        last_up_at: for the end of up or degraded: when a check last agreed with that state; None if unknown. Not stored
            with the flip.
        up_since: for the end of up: since when it was up. Other replicas that find the same outage have the same
            moment. Not stored with the flip.
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
        """The permanent id of the flip, so that storing it twice is storing it once."""
        # If the clock was set back, several flips may share the millisecond of the id.
        which = self.at.isoformat() if self.number is None else f"flip {self.number}"
        text = f"{self.target}\0{self.location}\0{self.state}\0{which}"
        return time_ordered_id(self.at, text)


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a target, and its last checks that contradict it.

    Attributes:
        state: the confirmed state.
        since: when it started; None for a target that was never checked.
        before: the state before unknown, maintenance or pause; otherwise the state itself.
        unconfirmed: the checks since the last one that agreed with the state, oldest first; bounded by the thresholds.
            Of those in a row in which the monitor was at fault, only the last.
        flips: the number of flips so far, by which each gets its number.
        shadow: of a target in maintenance: its standing without that. Its own flips are not recorded.
    """

    state: State = State.PENDING
    since: datetime | None = None
    before: State = State.PENDING
    unconfirmed: tuple[Sighting, ...] = ()
    flips: int = 0
    shadow: Standing | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether no check has contradicted the state since the last that agreed."""
        return not self.unconfirmed and (self.shadow is None or self.shadow.is_confirmed)

    def after(self, sighting: Sighting, thresholds: Thresholds) -> Standing:
        """Apply the result of a check.

        Args:
            sighting: of the check; one from before the start of the state counts as one at its start.
            thresholds: the checks in a row that confirm a change.

        Returns:
            the new standing; the same object if nothing has changed.
        """
        if self.shadow is not None:
            return self._with_shadow(self.shadow.after(sighting, thresholds))
        if self.state in OF_THE_OPERATOR:
            return self  # an operator's order holds until it is withdrawn
        if sighting.state is self.state is State.UNKNOWN:
            return self
        if sighting.state is self.state:
            return self if self.is_confirmed else replace(self, unconfirmed=())
        if sighting.state is State.UNKNOWN:
            # Neither for nor against the site; only many in a row make the state unknown.
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
        # Earlier checks may have confirmed the state, but the gap stays a gap.
        began = next((one.at for one in sightings if self.since is None or one.at > self.since), sighting.at)
        rest = _trailing(kept, lambda seen: seen is not state)
        return replace(self._changed(state, began), unconfirmed=rest)

    def interrupted(self, at: datetime) -> Standing:
        """Become unknown, since no check was made; the last checks still count after that."""
        if self.shadow is not None:
            return self._with_shadow(self.shadow.interrupted(at))
        if self.state in OF_THE_OPERATOR or (self.state in {State.PENDING, State.UNKNOWN} and self.is_confirmed):
            return self
        if self.state is State.UNKNOWN and self.since is not None:
            # The gap continues, and checks made in it must not end it earlier.
            since = self.since
            return replace(self, unconfirmed=tuple(replace(one, at=min(one.at, since)) for one in self.unconfirmed))
        return replace(self._changed(State.UNKNOWN, at), unconfirmed=self.unconfirmed)

    def held(self, state: State, at: datetime) -> Standing:
        """Enter maintenance or a pause, by order of the operator; the same object if it is in that state already."""
        if self.state is state:
            return self
        held = self._changed(state, at)
        return replace(held, shadow=self) if state is State.MAINTENANCE else held

    def released(self, at: datetime) -> Standing:
        """End a maintenance or a pause: with the state that checks found meanwhile, or unknown until the next one."""
        if self.state not in OF_THE_OPERATOR:
            return self
        if self.shadow is None:
            return self._changed(State.UNKNOWN, at)
        if self.shadow.state in {State.UP, State.DEGRADED, State.DOWN}:
            return replace(self._changed(self.shadow.state, at), unconfirmed=self.shadow.unconfirmed)
        unknown = self._changed(State.UNKNOWN, at)
        return replace(unknown, before=self.shadow.before, unconfirmed=self.shadow.unconfirmed)

    def became(self, state: State, at: datetime) -> Standing:
        """Enter a state that another replica found; the same object if it is in that state already."""
        return self if state is self.state else self._changed(state, at)

    @property
    def _judged(self) -> State:
        """The state that checks are compared with."""
        return self.before if self.state is State.UNKNOWN else self.state

    def _with_shadow(self, shadow: Standing) -> Standing:
        return self if shadow is self.shadow else replace(self, shadow=shadow)

    def _changed(self, state: State, at: datetime) -> Standing:
        if self.since is not None and at <= self.since < at + CLOCK_WAS_AHEAD:
            at = self.since + _MOMENT  # the clock was set back, but history goes forward only
        seen = {State.UNKNOWN, *OF_THE_OPERATOR}
        before = (self.before if self.state in seen else self.state) if state in seen else state
        return Standing(state, at, before, flips=self.flips + 1)


NEVER_CHECKED = Standing()


def sighting_of(outcome: Outcome) -> Sighting:
    """Return the state by one check alone."""
    if outcome.fault is None:
        return Sighting(State.UP if outcome.degraded is None else State.DEGRADED, outcome.started_at)
    of_the_monitor = outcome.fault.reason in {Reason.LOCAL, Reason.INTERNAL}
    return Sighting(State.UNKNOWN if of_the_monitor else State.DOWN, outcome.started_at)


def _confirmed(
    state: State, sightings: Sequence[Sighting], thresholds: Thresholds
) -> tuple[State, Sequence[Sighting]] | None:
    """Return the state that enough sightings confirm, and those sightings; None if no state is confirmed."""
    failing = _trailing(sightings, lambda seen: seen is State.DOWN)
    passing = _trailing(sightings, lambda seen: seen is not State.DOWN)
    good = _trailing(sightings, lambda seen: seen is State.UP)
    last = sightings[-1].state
    if state is last:  # after a gap, the state is as before
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
