"""Combines the views of the places that watch one target into one state. Pure, without a clock."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from watcher.model.outcome import Fault, Reason, fault_named
from watcher.model.state import State
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watcher.model.state import Standing

# The location of the combined state. No replica is there.
COMBINED = "*"
MAX_LOCATION_CHARS = 100
# The most places named in a sentence. The others are counted.
MAX_PLACES_NAMED = 5

# The part of a cause that names the places, written by `_where`.
_PLACES = re.compile(r"(?P<state>down|degraded) at (?P<places>.+?)(?P<only> only,| of \d+ places(?=[:;]|$)|[:;]|$)")
_SEEN = frozenset({State.UP, State.DEGRADED, State.DOWN})
_TELLING = _SEEN | {State.MAINTENANCE, State.PAUSED}


@dataclass(frozen=True, slots=True)
class PlaceView:
    """The state of a target as one place sees it.

    Attributes:
        location: of the place.
        state: of the target there; unknown if the place cannot tell.
        since: start of that state; None if unknown.
        reason, detail: why, or None.
        is_alive: whether a replica watches there. A place without one keeps its last view.
    """

    location: str
    state: State
    since: datetime | None = None
    reason: str | None = None
    detail: str | None = None
    is_alive: bool = True


@dataclass(frozen=True, slots=True)
class Combined:
    """The state that the views of all places result in.

    Attributes:
        state: of the target; pending while it is too early to decide, see `decided`.
        since: start of the deciding view; None if a place came or went instead, or the view has no time.
        cause: why, with the places named; None if the target is up and every place can tell, or if no place has
            finished its first checks.
    """

    state: State
    since: datetime | None = None
    cause: Fault | None = None


def complaint_about_location(text: str) -> str | None:
    """Return what is wrong with the name of a place, and what to write instead; None for a valid name."""
    if text == COMBINED:
        return "stands for all places together; write the name of one place"
    if one_line(text, limit_chars=MAX_LOCATION_CHARS) != text:
        return f"is not the name of a place; write one line of at most {MAX_LOCATION_CHARS} printable characters"
    return None


def combine(views: Sequence[PlaceView], quorum: int) -> Combined:
    """Combine the views of all places of a target into one state.

    - A place that is not alive, or cannot tell, does not count. If fewer than `quorum` are left, these decide.
    - A place at its first checks does not lower the quorum: if the others all see the target down but are too few, it
      is too early to decide.
    - One place in maintenance is enough: all places read the same windows, each by its own clock.
    - The target is paused only if no place checks it. So a place with an old configuration does not hide what the
      others see.

    Args:
        views: one for each place, in the order of the configuration.
        quorum: how many places must see the target down for it to be down; at least 1.
    """
    state = _state(views, quorum)
    return Combined(state, _since(state, views, quorum), _cause(state, views, quorum))


def decided(standing: Standing, combined: Combined, now: datetime) -> Standing:
    """Return the combined standing that follows from the present views.

    Args:
        standing: the present combined standing.
        combined: the present views, combined.
        now: the start of a new state if its view started before the former state, or in the future by a wrong clock.

    Returns:
        the new standing; the same object if the state is the same, or while it is too early to decide. One exception: a
        target that was not in trouble is degraded once a place sees it down.
    """
    state, since = combined.state, combined.since
    if state is State.PENDING:
        if combined.cause is None or standing.state in {State.PENDING, State.DEGRADED, State.DOWN}:
            return standing
        state = State.DEGRADED
    if since is None or since > now or (standing.since is not None and since <= standing.since):
        since = now
    return standing.became(state, since)


def _state(views: Sequence[PlaceView], quorum: int) -> State:
    states = Counter(view.state for view in views if view.is_alive)
    seen, down, waiting = sum(states[state] for state in _SEEN), states[State.DOWN], states[State.PENDING]
    if states[State.MAINTENANCE]:
        return State.MAINTENANCE
    if not seen:
        if states[State.PAUSED]:
            return State.PAUSED
        nothing_said = all(view.state is State.PENDING or view.since is None for view in views)
        return State.PENDING if nothing_said else State.UNKNOWN
    if down >= max(min(quorum, seen + waiting), 1):
        return State.DOWN
    if waiting and down == seen:
        return State.PENDING
    return State.DEGRADED if down or states[State.DEGRADED] else State.UP


def _since(state: State, views: Sequence[PlaceView], quorum: int) -> datetime | None:
    if state is not _state([replace(view, is_alive=True) for view in views], quorum):
        return None
    living = [view for view in views if view.is_alive]
    if state is State.UNKNOWN:
        return max((view.since for view in views if view.since is not None), default=None)
    if state in {State.UP, State.DEGRADED, State.PENDING}:
        return max((view.since for view in living if view.state in _SEEN and view.since is not None), default=None)
    times = sorted(view.since for view in living if view.state is state and view.since is not None)
    needed = 1
    if state is State.DOWN:
        needed = min(quorum, sum(view.state in _SEEN or view.state is State.PENDING for view in living))
    elif state is State.PAUSED:
        needed = len(times)
    return times[needed - 1] if 0 < needed <= len(times) else None


def _cause(state: State, views: Sequence[PlaceView], quorum: int) -> Fault | None:
    silent = _who_is_silent(views)
    if state is State.UNKNOWN:
        return Fault(Reason.INTERNAL, f"no place can tell: {silent}")
    telling = [view for view in views if view.is_alive and view.state in _TELLING]
    by_state = {each: [view for view in telling if view.state is each] for each in _TELLING}
    if state in {State.MAINTENANCE, State.PAUSED}:
        first = by_state[state][0]
        return fault_named(first.reason or Reason.INTERNAL, first.detail or str(state))
    seen = [view for view in telling if view.state in _SEEN]
    if not seen:
        return None  # pending: no place has finished its first checks
    if silent and len(seen) < quorum:
        silent = f"only {_named(seen)} can tell, {silent}"
    if state is State.UP:
        return Fault(Reason.INTERNAL, silent) if silent else None
    first = (by_state[State.DOWN] or by_state[State.DEGRADED])[0]
    where = _where(state, by_state, len(views))
    text = f"{where}: {first.detail}" if first.detail else where
    return fault_named(first.reason or Reason.INTERNAL, f"{text}; {silent}" if silent else text)


def _where(state: State, by_state: dict[State, list[PlaceView]], places: int) -> str:
    down = by_state[State.DOWN]
    if state in {State.DOWN, State.PENDING}:
        return f"down at {_named(down)}{f' of {places} places' if len(down) < places else ''}"
    parts = [f"{each} at {_named(by_state[each])}" for each in (State.DOWN, State.DEGRADED, State.UP) if by_state[each]]
    return f"{parts[0]} only, {', '.join(parts[1:])}" if len(parts) > 1 else parts[0]


def _who_is_silent(views: Sequence[PlaceView]) -> str:
    living = [view for view in views if view.is_alive]
    groups = (
        ([view for view in views if not view.is_alive], "has no replica", "have no replica"),
        ([view for view in living if view.state is State.UNKNOWN], "cannot tell", "cannot tell"),
        ([view for view in living if view.state is State.PENDING], "has not told yet", "have not told yet"),
        ([view for view in living if view.state is State.PAUSED], "is paused", "are paused"),
    )
    return ", ".join(f"{_named(some)} {one if len(some) == 1 else many}" for some, one, many in groups if some)


def _named(views: Sequence[PlaceView]) -> str:
    names = [view.location for view in views]
    if len(names) > MAX_PLACES_NAMED:
        names = [*names[:MAX_PLACES_NAMED], f"{len(names) - MAX_PLACES_NAMED} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def where_in_trouble(cause: Fault | None, state: State) -> str | None:
    """Return the places of a trouble as a message names them: ` at fra and nyc`, or `: down at sgp only`.

    Args:
        cause: of the combined state, None for none.
        state: the combined state.

    Returns:
        the text that follows the name of the state; None where the cause names no places.
    """
    found = None if cause is None else _PLACES.match(cause.detail)
    if found is None:
        return None
    only = " only" if found["only"] == " only," else ""
    if found["state"] == state:
        return f" at {found['places']}{only}"
    return f": {found['state']} at {found['places']}{only}"
