"""The input of a decision beside events, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from watcher.model.alerts.notification import Notification
    from watcher.model.alerts.silence import Ack, Silence
    from watcher.model.places import PlaceView
    from watcher.model.state import State
    from watcher.model.target import Target


def _never_in_doubt(_: str) -> bool:
    return False


def _never_back(_: str) -> datetime | None:
    return None


def _in_no_places(_: str) -> Sequence[PlaceView]:
    return ()


@dataclass(frozen=True)
class View:
    """The present state of the targets in one decision. A reload, a silence or an ack makes another view.

    Attributes:
        targets: the configured ones, by name; another set of targets needs another view.
        state_of: returns the confirmed state of a target by its name; None if it is not watched.
        checked_at: returns when its newest check started; None without a check.
        silences: those that have not ended.
        acks: those of open incidents.
        page_url: the public address of the page, without a slash at its end; None if not configured.
        key_of: returns the key of a target in the page's addresses, by its name; None without one.
        back_at: returns when a target was last found neither down nor in maintenance after being so, by its name; None
            if it never was or this is unknown.
        state_elsewhere: returns the state of a target by its location and name, if several places share channels; None
            if `state_of` has it.
        places_of: returns the view of each place of a target that several places watch, by its name; otherwise empty.
        is_in_doubt: returns whether the newest checks contradict a target's state without confirming another.
        routes_elsewhere: the seconds after which a channel is notified of a target, by both names, in the files of
            other replicas; used if this file does not notify the channel of the target.
    """

    targets: Mapping[str, Target]
    state_of: Callable[[str], State | None]
    checked_at: Callable[[str], datetime | None]
    silences: Sequence[Silence] = ()
    acks: Sequence[Ack] = ()
    page_url: str | None = None
    key_of: Callable[[str], str | None] | None = None
    is_in_doubt: Callable[[str], bool] = _never_in_doubt
    back_at: Callable[[str], datetime | None] = _never_back
    state_elsewhere: Callable[[str, str], State | None] | None = None
    places_of: Callable[[str], Sequence[PlaceView]] = _in_no_places
    routes_elsewhere: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @cached_property
    def members(self) -> Mapping[str, Sequence[str]]:
        """The names of the targets in each group."""
        found: dict[str, list[str]] = {}
        for name, target in self.targets.items():
            if target.group is not None:
                found.setdefault(target.group, []).append(name)
        return found

    @cached_property
    def acked_at(self) -> Mapping[str, datetime]:
        """When each target was last acknowledged, by name."""
        found: dict[str, datetime] = {}
        for ack in self.acks:
            found[ack.target] = max(ack.at, found.get(ack.target, ack.at))
        return found

    def state_at(self, location: str, target: str) -> State | None:
        """Return the confirmed state of a target at this location or another one."""
        found = None if self.state_elsewhere is None else self.state_elsewhere(location, target)
        return self.state_of(target) if found is None else found

    def tells_certificate(self, location: str, target: str) -> bool:
        """Return whether a location sends notices of a target's certificate: of several places the first living one."""
        views = self.places_of(target)
        return location == next((view.location for view in views if view.is_alive), location)

    def link_to(self, target: str) -> str | None:
        """Return the address of a target's page; None without one."""
        key = None if self.page_url is None or self.key_of is None else self.key_of(target)
        return None if key is None else f"{self.page_url}/targets/{key}"


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a decision, written in one transaction.

    Attributes:
        messages: new ones, in the order of sending.
        changed: records by key; None for those to delete.
    """

    messages: tuple[Notification, ...] = ()
    changed: Mapping[str, str | None] = field(default_factory=dict)
