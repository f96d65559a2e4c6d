"""The orders of operators about incidents: silences and acknowledgements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """A time without notifications; states are not affected.

    Attributes:
        id: permanent.
        start, end: moments with a time zone; the end may be moved forward to end it early.
        why, by: the reason and the author; `by` may be empty.
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
        """Return whether notifications of a target, of a group or of none, are silenced at a moment."""
        if not self.start <= moment < self.end:
            return False
        if self.targets is not None:
            return target in self.targets
        return self.group is None or self.group == group


@dataclass(frozen=True, slots=True)
class Ack:
    """The acknowledgement of a target's open incident: it stops reminders and escalation.

    Attributes:
        id: permanent.
        target: its incidents open at the moment, at every location.
        at: the moment.
        why, by: the reason and the author; both may be empty.
    """

    id: uuid.UUID
    target: str
    at: datetime
    why: str = ""
    by: str = ""
