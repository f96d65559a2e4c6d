"""What a decision is made from beside the events, and what it comes to."""

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
    """The present, as one decision sees it. A reload, a silence or an acknowledgement makes another view.

    Attributes:
        targets: that are configured, by name; whoever changes them makes another view.
        state_of: the confirmed state of a target now, by its name; None for one that is not watched.
        checked_at: when its newest check began; None where there was none.
        silences: all that have not ended.
        acks: all of incidents that are open.
        page_url: the address that people reach the page at, without a slash at its end; None where nobody said.
        key_of: what stands for a target in the addresses of the page, by its name; None for none.
        back_at: when a target was last found to be neither down nor in maintenance after it had been, by its name; None
            where it was always there, or nobody knows.
        state_elsewhere: the state of a target by its location and name, where several places share channels; returns
            None where `state_of` has it.
        places_of: the view of each place of a target that several places watch, by its name; else empty.
        is_in_doubt: whether the newest checks of a target contradict its state, and do not confirm another yet.
        routes_elsewhere: after how many seconds a channel is told of a target, by the names of both, as files of other
            replicas say; used where the file here does not tell the channel of the target.
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
        """The names of the targets of each group."""
        found: dict[str, list[str]] = {}
        for name, target in self.targets.items():
            if target.group is not None:
                found.setdefault(target.group, []).append(name)
        return found

    @cached_property
    def acked_at(self) -> Mapping[str, datetime]:
        """When each target was acknowledged last, by its name."""
        found: dict[str, datetime] = {}
        for ack in self.acks:
            found[ack.target] = max(ack.at, found.get(ack.target, ack.at))
        return found

    def state_at(self, location: str, target: str) -> State | None:
        """Return the confirmed state of a target at this location or another one."""
        found = None if self.state_elsewhere is None else self.state_elsewhere(location, target)
        return self.state_of(target) if found is None else found

    def tells_certificate(self, location: str, target: str) -> bool:
        """Say whether a location tells of a target's certificate: of several places, the first living one does."""
        views = self.places_of(target)
        return location == next((view.location for view in views if view.is_alive), location)

    def link_to(self, target: str) -> str | None:
        """Return the address of a target's page, or None."""
        key = None if self.page_url is None or self.key_of is None else self.key_of(target)
        return None if key is None else f"{self.page_url}/targets/{key}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be written down, in one transaction.

    Attributes:
        messages: new ones, in the order in which they are to be sent.
        changed: records by their keys; None for those to delete.
    """

    messages: tuple[Notification, ...] = ()
    changed: Mapping[str, str | None] = field(default_factory=dict)
