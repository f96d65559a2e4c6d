"""How the daemon takes up again what it knew when it last ran: the gap between is unknown, never up and never down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.model.conclusion import flips_of_change
from watcher.model.outcome import Fault, Reason
from watcher.model.state import NEVER_CHECKED, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from watcher.model.state import Flip, Standing
    from watcher.model.target import Target

TAKEN_OUT = Fault(Reason.INTERNAL, "taken out of the configuration")
RENAMED = Fault(Reason.INTERNAL, "given another name in the configuration")  # under which it goes on
NOT_ENABLED = Fault(Reason.INTERNAL, "enabled is false in the configuration")
NOT_WATCHED = Fault(Reason.INTERNAL, "the monitor was not running")


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a start, or another configuration, makes of the past.

    Attributes:
        standings: of each target that was checked before, or is not to be.
        news: the names of those whose standing has changed by that.
        flips: what changed, one a target at most.
        taken_out: the names of those that are in the configuration no more.
    """

    standings: Mapping[str, Standing]
    news: frozenset[str]
    flips: tuple[Flip, ...]
    taken_out: frozenset[str]


def resume(
    targets: Iterable[Target],
    past: Mapping[str, Standing],
    location: str,
    *,
    alive_at: datetime | None,
    now: datetime,
) -> Resumption:
    """Compare what is configured with what was watched.

    Args:
        targets: what is to be watched.
        past: where each target stood, by name.
        location: where this replica stands.
        alive_at: until when the daemon is known to have watched; None where it never did.
        now: a moment with a time zone.
    """
    ended = now if alive_at is None else min(alive_at, now)
    changes = _Changes(location, past, now)
    names = set()
    for target in targets:
        names.add(target.name)
        if not changes.obey_operator(target, ended) and target.name in past:
            changes.make(target.name, past[target.name].interrupted(ended), NOT_WATCHED)
    return changes.without(past.keys() - names, ended)


def reassign(
    targets: Iterable[Target],
    taken_out: Iterable[str],
    past: Mapping[str, Standing],
    location: str,
    now: datetime,
    renamed: Collection[str] = (),
) -> Resumption:
    """Take over another configuration, with no gap: what was known of a target still is.

    Args:
        targets: those that come, or are others than they were.
        taken_out: the names of those that go; `renamed`: of those of them that go on under other names.
        past: where each target stands that is watched, by name.
        location: where this replica stands.
        now: a moment with a time zone.
    """
    changes = _Changes(location, past, now)
    for target in targets:
        if not changes.obey_operator(target, now) and target.name in past:
            changes.make(target.name, past[target.name], None)
    return changes.without(taken_out, now, renamed)


class _Changes:
    """Collects standings, and the flips that lead to them."""

    def __init__(self, location: str, past: Mapping[str, Standing], now: datetime) -> None:
        self._location = location
        self._past = past
        self._now = now
        self._standings: dict[str, Standing] = {}
        self._news: set[str] = set()
        self._flips: list[Flip] = []

    def make(self, name: str, after: Standing, cause: Fault | None) -> None:
        self._standings[name] = after
        before = self._past.get(name, NEVER_CHECKED)
        if after is not before:
            self._news.add(name)
            self._flips.extend(flips_of_change(name, self._location, before, after, self._now, cause))

    def obey_operator(self, target: Target, ended: datetime) -> bool:
        """Pause what is not enabled, take up what is again; return whether it was either."""
        before = self._past.get(target.name, NEVER_CHECKED)
        if not target.enabled:
            self.make(target.name, before.held(State.PAUSED, ended), NOT_ENABLED)
        elif before.state is State.PAUSED:
            self.make(target.name, before.released(self._now), None)
        else:
            return False
        return True

    def without(self, taken_out: Iterable[str], ended: datetime, renamed: Collection[str] = ()) -> Resumption:
        names = frozenset(taken_out)
        for name in sorted(names):
            cause = RENAMED if name in renamed else TAKEN_OUT
            self.make(name, self._past.get(name, NEVER_CHECKED).held(State.PAUSED, ended), cause)
        return Resumption(self._standings, frozenset(self._news), tuple(self._flips), names)
