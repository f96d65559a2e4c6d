"""What operators say of incidents: that they do not want to hear of them, or that they know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """No notifications for a while; states are not touched.

    Attributes:
        id: for ever.
        start, end: moments with a time zone; an end may be moved forward when somebody ends it.
        why, by: of whoever asked for it; `by` may be empty.
        targets: names; None for all, or all of a group.
        group: None for all, or for the targets.
    """

    id: uuid.UUID
    start: datetime
    end: datetime
    why: str
    by: str = ""
    targets: frozenset[str] | None = None
    group: str | None = None

    def covers(self, target: str, group: str | None, moment: datetime) -> bool:
        """Say whether nothing of a target, of a group or of none, is to be told at a moment."""
        if not self.start <= moment < self.end:
            return False
        if self.targets is not None:
            return target in self.targets
        return self.group is None or self.group == group


@dataclass(frozen=True, slots=True)
class Ack:
    """Somebody knows of the open incident of a target: no reminders of it, no escalation.

    Attributes:
        id: for ever.
        target: whose incidents, at every location, that are open at the moment.
        at: the moment.
        why, by: of whoever said so; both may be empty.
    """

    id: uuid.UUID
    target: str
    at: datetime
    why: str = ""
    by: str = ""
