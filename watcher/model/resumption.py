"""Continues from the states of the last run: the gap between is unknown, neither up nor down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from watcher.model.conclusion import GAP_INTERVALS, GAP_SECONDS, flips_of_change
from watcher.model.outcome import Fault, Reason
from watcher.model.places import COMBINED
from watcher.model.state import NEVER_CHECKED, Flip, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from watcher.model.state import Standing
    from watcher.model.target import Target

TAKEN_OUT = Fault(Reason.INTERNAL, "taken out of the configuration")
RENAMED = Fault(Reason.INTERNAL, "given another name in the configuration")  # it continues under that name
NOT_ENABLED = Fault(Reason.INTERNAL, "enabled is false in the configuration")
NOT_WATCHED = Fault(Reason.INTERNAL, "the monitor was not running")


def left_by(location: str) -> Fault:
    """Return the cause of the pause of a target that is still configured, but no longer watched at a location."""
    where = "several places together" if location == COMBINED else location
    return Fault(Reason.INTERNAL, f"no longer watched from {where}")


@dataclass(frozen=True, slots=True)
class Resumption:
    """The effect of a start, or of another configuration, on known states.

    Attributes:
        standings: of each target that was checked before or will not be checked.
        news: the names of targets with changed standings.
        flips: the changes, at most one for each target.
        taken_out: the names that are no longer configured.
        shared: the names among the news that the database has already.
        ended: flips that end states of another replica, from before this one started to check.
    """

    standings: Mapping[str, Standing]
    news: frozenset[str]
    flips: tuple[Flip, ...]
    taken_out: frozenset[str]
    shared: frozenset[str] = frozenset()
    ended: tuple[Flip, ...] = ()

    def and_also(self, other: Resumption) -> Resumption:
        """Return this together with the result for other targets."""
        return Resumption(
            {**self.standings, **other.standings},
            self.news | other.news,
            (*self.flips, *other.flips),
            self.taken_out | other.taken_out,
            self.shared | other.shared,
            (*self.ended, *other.ended),
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """The database's knowledge of a target that this replica has taken over.

    Attributes:
        standing: of the target; None if it was never checked.
        until: until when another replica is known to have checked, on the clock of this replica; None if no other has
            since this replica did.
        checked_until: the last slot in which any replica is known to have checked it, or None.
    """

    standing: Standing | None = None
    until: datetime | None = None
    checked_until: datetime | None = None


_NOTHING: Mapping[str, Standing] = MappingProxyType({})


def resume(
    targets: Iterable[Target],
    past: Mapping[str, Standing],
    location: str,
    *,
    alive_at: datetime | None,
    now: datetime,
    elsewhere: Collection[str] = (),
) -> Resumption:
    """Compare the configured targets with the known states.

    Args:
        targets: the configured ones.
        past: the last standing of each target, by name.
        location: of this replica.
        alive_at: until when the daemon is known to have run; None if it never did.
        now: a moment with a time zone.
        elsewhere: names that are configured for other locations only.
    """
    ended = now if alive_at is None else min(alive_at, now)
    changes = _Changes(location, past, now)
    names = set()
    for target in targets:
        names.add(target.name)
        if not changes.obey_operator(target, ended) and target.name in past:
            changes.make(target.name, past[target.name].interrupted(ended), NOT_WATCHED)
    return changes.without(past.keys() - names, ended, elsewhere=elsewhere)


def reassign(
    targets: Iterable[Target],
    taken_out: Iterable[str],
    past: Mapping[str, Standing],
    location: str,
    now: datetime,
    renamed: Collection[str] = (),
    elsewhere: Collection[str] = (),
) -> Resumption:
    """Apply another configuration without a gap: known states stay.

    Args:
        targets: the added and changed ones.
        taken_out: the removed names.
        past: the standing of each watched target, by name.
        location: of this replica.
        now: a moment with a time zone.
        renamed: the new names of removed targets, by the former ones.
        elsewhere: names that are configured for other locations only.
    """
    changes = _Changes(location, past, now)
    for target in targets:
        if not changes.obey_operator(target, now) and target.name in past:
            changes.make(target.name, past[target.name], None)
    return changes.without(taken_out, now, renamed, elsewhere)


def take_over(
    targets: Iterable[Target],
    taken: Mapping[str, Taken],
    location: str,
    now: datetime,
    *,
    own: Mapping[str, Standing] = _NOTHING,
    alive_at: datetime | None = None,
) -> Resumption:
    """Continue with targets that this replica has taken over, with a gap only if no replica checked for too long.

    Args:
        targets: those taken over.
        taken: the database's knowledge of each, by name.
        location: of this replica.
        now: a moment with a time zone.
        own: this replica's standings of them, valid if this replica was the last to check.
        alive_at: until when this replica has checked them; None if it still does.
    """
    known = {target.name: taken.get(target.name, Taken()) for target in targets}
    past, until, ended = dict[str, "Standing"](), dict[str, "datetime | None"](), list[Flip]()
    for name, found in known.items():
        mine = own.get(name)
        if mine is not None and _has_looked_last(mine, found):
            number = max(mine.flips, 0 if found.standing is None else found.standing.flips)
            past[name], until[name] = replace(mine, flips=number), alive_at
            ended += _end_of_other(name, location, found, mine, now)
        elif found.standing is not None:
            past[name], until[name] = found.standing, found.until or alive_at
    changes = _Changes(location, past, now)
    for target in targets:
        name = target.name
        looked_until = min(until.get(name) or now, now)
        if not changes.obey_operator(target, looked_until) and name in past:
            gap = timedelta(seconds=GAP_INTERVALS * target.interval_seconds + GAP_SECONDS)
            standing = past[name].interrupted(looked_until) if now - looked_until > gap else past[name]
            changes.make(name, standing, NOT_WATCHED)
    resumption = changes.without((), now)
    standings = resumption.standings
    shared = frozenset(name for name, after in standings.items() if after == known[name].standing)
    news = resumption.news.union(name for name, after in standings.items() if after != own.get(name))
    return replace(resumption, news=news, shared=shared, ended=tuple(ended))


def _has_looked_last(mine: Standing, found: Taken) -> bool:
    return found.until is None or (mine.since is not None and mine.since > found.until)


def _end_of_other(name: str, location: str, found: Taken, mine: Standing, now: datetime) -> list[Flip]:
    """End the other replica's state at the moment of its last look; this replica started only after that."""
    if found.until is None or found.standing is None:
        return []
    after = found.standing.interrupted(found.until)
    flips = flips_of_change(name, location, found.standing, after, now, NOT_WATCHED)
    # Without a number: this replica's own flips were numbered without it.
    return [replace(flip, number=None) for flip in flips if mine.since is not None and flip.at < mine.since]


class _Changes:
    """Collects standings, and the flips to them."""

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
        """Pause a target that is not enabled, release one that is again; return whether it did either."""
        before = self._past.get(target.name, NEVER_CHECKED)
        if not target.enabled:
            self.make(target.name, before.held(State.PAUSED, ended), NOT_ENABLED)
        elif before.state is State.PAUSED:
            self.make(target.name, before.released(self._now), None)
        else:
            return False
        return True

    def without(
        self,
        taken_out: Iterable[str],
        ended: datetime,
        renamed: Collection[str] = (),
        elsewhere: Collection[str] = (),
    ) -> Resumption:
        names = frozenset(taken_out)
        for name in sorted(names):
            cause = RENAMED if name in renamed else left_by(self._location) if name in elsewhere else TAKEN_OUT
            self.make(name, self._past.get(name, NEVER_CHECKED).held(State.PAUSED, ended), cause)
        return Resumption(self._standings, frozenset(self._news), tuple(self._flips), names)
