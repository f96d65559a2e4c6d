"""Open incidents and sent messages: the queries and their JSON forms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.history.present_state import that_count
from watcher.model.state import State
from watcher.postgres.queries.notifications import read_notifications
from watcher.postgres.queries.states_and_flips import opened_at
from watcher.reporting.status import present_as_json, read_status
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from watcher.history.present_state import Present
    from watcher.postgres.db import Database

OPEN = frozenset({State.DOWN, State.DEGRADED})
_TIMES = ("created_at", "next_try_at", "sent_at", "given_up_at")


class AlertsNow(NamedTuple):
    """The open incidents by name, each with its start; and messages, newest first."""

    open: Sequence[Present]
    notifications: Sequence[Mapping[str, Any]]


async def read_alerts(database: Database, since: datetime, limit: int) -> AlertsNow:
    """Read the open incidents, and the messages since a moment. This is a trio-flavoured function.

    Args:
        database: with its tables.
        since: only messages decided at this moment or later.
        limit: the largest number of messages.
    """
    presents = [present for present in that_count(await read_status(database)) if present.state in OPEN]
    begun = await opened_at(database)
    # The start of the trouble, through restarts and from one state to another.
    presents = [replace(one, since=begun.get((one.target, one.location), one.since)) for one in presents]
    return AlertsNow(presents, await read_notifications(database, since, limit))


def fate_of(row: Mapping[str, Any]) -> str:
    """Return the state of a message: `sent`, `given_up`, `failing` or `waiting`."""
    if row["sent_at"] is not None:
        return "sent"
    if row["given_up_at"] is not None:
        return "given_up"
    return "failing" if row["tries"] else "waiting"


def alerts_as_json(alerts: AlertsNow) -> dict[str, Any]:
    """Return the JSON object of open incidents and messages; a message is shown as its receiver got it."""
    return {
        "open": [present_as_json(present) for present in alerts.open],
        "notifications": [_notification_as_json(row) for row in alerts.notifications],
    }


def _notification_as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: None if row[name] is None else timestamp(row[name]) for name in _TIMES}
    return {**row, "id": str(row["id"]), **times, "result": fate_of(row)}
