"""How the daemon takes up again what it knew when it last ran: the gap between is unknown, never up and never down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.model.conclusion import flips_between
from watcher.model.outcome import Fault, Reason
from watcher.model.state import NEVER_CHECKED, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from watcher.model.state import Flip, Standing
    from watcher.model.target import Target

TAKEN_OUT = Fault(Reason.INTERNAL, "taken out of the configuration")
NOT_ENABLED = Fault(Reason.INTERNAL, "enabled is false in the configuration")
NOT_WATCHED = Fault(Reason.INTERNAL, "the monitor was not running")


@dataclass(frozen=True, slots=True)
class Resumption:
    """What the start makes of the past.

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
    standings: dict[str, Standing] = {}
    news: set[str] = set()
    flips: list[Flip] = []

    def change(name: str, before: Standing, after: Standing, cause: Fault | None) -> None:
        standings[name] = after
        if after is not before:
            news.add(name)
            flips.extend(flips_between(name, location, before, after, now, cause))

    names = set()
    for target in targets:
        names.add(target.name)
        before = past.get(target.name, NEVER_CHECKED)
        if not target.enabled:
            change(target.name, before, before.held(State.PAUSED, ended), NOT_ENABLED)
        elif before.state is State.PAUSED:
            change(target.name, before, before.released(now), None)
        elif target.name in past:
            change(target.name, before, before.interrupted(ended), NOT_WATCHED)
    taken_out = frozenset(past.keys() - names)
    for name in sorted(taken_out):
        change(name, past[name], past[name].held(State.PAUSED, ended), TAKEN_OUT)
    return Resumption(standings, frozenset(news), tuple(flips), taken_out)
