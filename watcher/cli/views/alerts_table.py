"""Formats open incidents and notifications for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from watcher.cli.views.wording import STATE_COLOURS, styled
from watcher.model.wording import why
from watcher.reporting.alerts import fate_of
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from watcher.history.present_state import Present
    from watcher.reporting.alerts import AlertsNow

_WORDS = {"sent": "sent", "given_up": "given up", "failing": "failing", "waiting": "waiting"}
_COLOURS = {"sent": "green", "given_up": "bold red", "failing": "bold yellow", "waiting": "cyan"}


def alerts_table(alerts: AlertsNow) -> RenderableType:
    """Show open incidents, then each notification in a line."""
    return Group(_open_table(alerts.open), Text(), _notifications_table(alerts.notifications))


def _open_table(presents: Sequence[Present]) -> RenderableType:
    if not presents:
        return Text("nothing is open", "bold green")
    table = Table("open", "since", "state", "why", box=None, pad_edge=False)
    for present in presents:
        since = "" if present.since is None else timestamp(present.since)
        state = styled(present.state, STATE_COLOURS[present.state])
        table.add_row(styled(present.target), styled(since), state, styled(why(present.reason, present.detail) or ""))
    return table


def _notifications_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not rows:
        return Text("no notifications")
    table = Table("time", "channel", "notification", "result", "answer", box=None, pad_edge=False)
    for row in rows:
        fate = fate_of(row)
        tries = f", {row['tries']} tries" if row["tries"] > 1 else ""
        cells = (timestamp(row["created_at"]), row["channel"], row["payload"].get("title") or row["kind"])
        answer = row["answer"] if fate == "sent" else row["error"]
        table.add_row(*map(styled, cells), styled(f"{_WORDS[fate]}{tries}", _COLOURS[fate]), styled(answer or ""))
    return table
