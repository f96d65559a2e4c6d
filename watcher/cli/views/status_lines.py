"""Formats the state of each target for the terminal: a line per target, and totals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.cells import cell_len

from watcher.cli.views.wording import STATE_COLOURS, STATE_COLUMNS, Line, shown
from watcher.history.present_state import FINE, that_count
from watcher.model.places import COMBINED
from watcher.model.state import State
from watcher.model.wording import why
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.history.present_state import Present

MAX_NAME_COLUMNS = 40  # a longer name pushes only its own line to the right


def status_lines(presents: Sequence[Present]) -> list[Line]:
    """Show each target in a line, its locations below it if several watch it, and the totals in the last line."""
    counting = that_count(presents)
    counted = {(present.target, present.location) for present in counting}
    with_location = len({present.location for present in counting} - {COMBINED}) > 1
    names = [
        _name(present, with_location=with_location)
        if (present.target, present.location) in counted
        # the name of the target is in the line above
        else shown(f"  {present.location}")
        for present in presents
    ]
    columns = max((length for length in map(cell_len, names) if length <= MAX_NAME_COLUMNS), default=0)
    lines = [_line(present, name, columns) for present, name in zip(presents, names, strict=True)]
    return [*lines, _totals(counting)]


def _name(present: Present, *, with_location: bool) -> str:
    is_one_place = with_location and present.location != COMBINED
    return shown(f"{present.target} ({present.location})" if is_one_place else present.target)


def _line(present: Present, name: str, columns: int) -> Line:
    since = f"since {timestamp(present.since)}" if present.since else "not confirmed yet"
    text = why(present.reason, present.detail)
    cells = (f"{present.state:<{STATE_COLUMNS}}", f"{name}{' ' * (columns - cell_len(name))}", since)
    return Line("  ".join([*cells, shown(text)] if text else cells), STATE_COLOURS[present.state])


def _totals(presents: Sequence[Present]) -> Line:
    if not presents:
        return Line("no targets are watched")
    counts = Counter(present.state for present in presents)
    text = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    return Line(text, "bold green" if all(state in FINE for state in counts) else "bold red")
