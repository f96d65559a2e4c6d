"""Formats stored failures for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from watcher.cli.views.wording import styled
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType


def failures_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show each failure in a line, with its notes below the detail.

    Args:
        rows: from `Database.failures`.
    """
    if not rows:
        return Text("no failures")
    table = Table("time", "target", "reason", "detail", box=None, pad_edge=False)
    for row in rows:
        cells = (timestamp(row["started_at"]), row["target"], row["reason"])
        detail = Text("\n").join([styled(row["detail"]), *(styled(f"note: {note}", "dim") for note in row["notes"])])
        table.add_row(*map(styled, cells), detail)
    return table
