"""How stored failures look on a terminal."""

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
    """Show each failure in a line.

    Args:
        rows: from `Database.failures`.
    """
    if not rows:
        return Text("no failures")
    table = Table("time", "target", "reason", "detail", box=None, pad_edge=False)
    for row in rows:
        cells = (timestamp(row["started_at"]), row["target"], row["reason"], row["detail"])
        table.add_row(*map(styled, cells))
    return table
