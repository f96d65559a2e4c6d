"""Open incidents that a channel has no record of: it is new, or was named for their targets only now."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from watcher.alerting.policy.records.agenda import next_look
from watcher.model.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from watcher.alerting.policy.event import Incident
    from watcher.alerting.policy.view import View

# After a start it takes a while until it is known again how sites are: what is over meanwhile is not told.
_LOOK = timedelta(seconds=5)


class Unheard:
    """Incidents by the keys of the records that they may get; they are read anew at each start."""

    def __init__(self) -> None:
        """Begin with none."""
        self._incidents: dict[str, Incident] = {}
        self.due_at: datetime | None = None  # of the next look at them

    def add(self, key: str, incident: Incident, now: datetime) -> None:
        """Put one in, to be looked at at once."""
        self._incidents[key] = incident
        self.due_at = now

    def discard(self, key: str) -> None:
        """Forget one: the channel hears of its target otherwise."""
        self._incidents.pop(key, None)

    def take_known(self, now: datetime, view: View) -> Iterator[Incident]:
        """Take out those that are known to last, in order, where a look at them is due."""
        if self.due_at is None or self.due_at > now:
            return
        for key, incident in sorted(self._incidents.items()):
            if view.state_of(incident.target) in {incident.trouble, State.MAINTENANCE}:
                del self._incidents[key]
                yield incident
        self.due_at = next_look(now, _LOOK) if self._incidents else None
