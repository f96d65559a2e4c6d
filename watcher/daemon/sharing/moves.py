"""Computes which targets start and end here after a change of the file or of the share. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watcher.model.difference import Difference, checked_alike
from watcher.model.target import watched_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from watcher.model.target import Target


@dataclass(frozen=True, slots=True)
class Moves:
    """The changes after which a replica watches its targets and no others.

    Attributes:
        lost: watched here, and another replica's from now on.
        removed: watched here, and no longer configured.
        changed: watched here and staying, with another check.
        wanted: to be watched here, and not yet watched.
        staying: the watched targets without lost and removed ones, in the order of the file.
        going_on: removed targets under their new names, to be watched here too.
        renamed: new names of removed targets that go on under another name, here or elsewhere, by the former ones.
    """

    lost: tuple[Target, ...] = ()
    removed: tuple[Target, ...] = ()
    changed: tuple[Target, ...] = ()
    wanted: tuple[Target, ...] = ()
    staying: tuple[Target, ...] = ()
    going_on: tuple[Target, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def ends_or_changes(self) -> bool:
        """Whether any loop must end or restart."""
        return bool(self.lost or self.removed or self.changed)

    @property
    def first(self) -> Difference:
        """The changes to apply first: other replicas wait for the lost targets."""
        return Difference(
            added=self.going_on,
            removed=(*self.lost, *self.removed),
            changed=self.changed,
            targets=(*self.staying, *self.going_on),
            renamed=self.renamed,
        )


def find_moves(
    watched: Mapping[str, Target],
    configured: Iterable[Target],
    holds: Callable[[str], bool],
    renamed: Mapping[str, str] | None = None,
) -> Moves:
    """Compare the targets watched here with those that should be.

    Args:
        watched: by name.
        configured: all targets of this location, with unique names; unchanged ones are the same objects as before.
        holds: returns whether the target of a name is this replica's.
        renamed: new names of targets that are no longer configured, by the former ones.
    """
    former = dict(watched)
    here = {new: old for old, new in (renamed or {}).items() if old in watched}
    lost, changed, staying = [], [], []
    wanted: list[Target] = []
    going_on: list[Target] = []
    for target in configured:
        known = former.pop(target.name, None)
        if holds(target.name):
            if known is None:
                going_on.append(target) if target.name in here else wanted.append(target)
                continue
            staying.append(target)
            if known is not target and not checked_alike(known, target):
                changed.append(target)
        elif known is not None:
            lost.append(known)
    return Moves(
        tuple(lost),
        tuple(former.values()),
        tuple(changed),
        tuple(wanted),
        tuple(staying),
        tuple(going_on),
        {old: new for new, old in here.items() if old in former},
    )


def gained(staying: Iterable[Target], beginning: Iterable[Target]) -> Difference:
    """Return the changes for targets that start to be watched here.

    Args:
        staying: the targets watched here so far.
        beginning: the targets that start.
    """
    added = tuple(beginning)
    return Difference(added=added, targets=(*staying, *added))


def part_watched_at(location: str, found: Difference, watched: Sequence[Target]) -> Difference:
    """Return the part of a configuration change that concerns a daemon that does not share its targets.

    Args:
        location: of the daemon.
        found: the change of all configured targets.
        watched: the targets that it watches so far.
    """
    here = watched_at(found.targets, location)
    if here is found.targets and len(watched) + len(found.added) - len(found.removed) == len(here):
        return found
    moves = find_moves({target.name: target for target in watched}, here, lambda _name: True, found.renamed)
    added = (*moves.going_on, *moves.wanted)
    return Difference(added, moves.removed, moves.changed, (*moves.staying, *added), moves.renamed)
