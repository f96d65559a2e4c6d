"""Decides when the changes of a group become one message."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watcher.alerting.policy.records.json_values import read, written
from watcher.model.alerts.rows import reading

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from watcher.model.alerts.channel import Channel


@dataclass(slots=True)
class Group:
    """Records that are sent in one message.

    Attributes:
        pending: keys of the records in the next message.
        flush_at: when it is due; None if nothing is pending.
        last_at: when the last message was decided.
        reminders: a heap of the moments and keys of reminders.
    """

    pending: dict[str, None] = field(default_factory=dict)
    flush_at: datetime | None = None
    last_at: datetime | None = None
    reminders: list[tuple[datetime, str]] = field(default_factory=list)

    def join(self, key: str, at: datetime, wait: timedelta, interval: timedelta) -> bool:
        """Add a record to the next message; return whether that changes the message's moment.

        Args:
            key: of the record.
            at: when its news was found.
            wait: for others in the same message.
            interval: the least time since the last message.
        """
        self.pending[key] = None
        due = at + wait
        if self.last_at is not None:
            # Never longer than the interval, even after the clock was set back.
            due = min(max(due, self.last_at + interval), at + max(wait, interval))
        if self.flush_at is not None and self.flush_at <= due:
            return False
        self.flush_at = due
        return True


def group_key(channel: Channel, target: str, group: str | None) -> str:
    """Return the key of the group that a target's changes belong to in a channel."""
    match channel.group_by:
        case "channel":
            return "all"
        case "group":
            return "none" if group is None else f"group/{group}"
        case "target":
            return f"target/{target}"


def encode_group(group: Group) -> str:
    """Return the text of a group; the pending keys are in the records."""
    return json.dumps({"flush_at": written(group.flush_at), "last_at": written(group.last_at)})


def decode_group(text: str) -> Group:
    """Return a group without pending records.

    Raises:
        UnreadableRowError: it is not the text of a group.
    """
    with reading("a group of a channel"):
        row = json.loads(text)
        return Group(flush_at=read(row["flush_at"]), last_at=read(row["last_at"]))
