"""Formats figures as tables, for a terminal and for a document."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.measure import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measure import Figures

# Other programs disturb a program's caches and take time from its core: a larger share is reported.
DISTURBED_SHARE = 0.05
COMPARED_TO = ("aiohttp", "blackbox", "sockets")
COLUMNS = (
    "kind",
    "targets",
    "program",
    "checks/s",
    "CPU a check",
    *(f"÷ {name}" for name in COMPARED_TO),
    "peak memory",
)


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians of one program's runs of one workload.

    Attributes:
        program, kind, targets: of the runs.
        runs: those with figures.
        error: why there are none.
    """

    program: str
    kind: str
    targets: int
    runs: tuple[Figures, ...]
    error: str = ""

    @property
    def cpu_microseconds(self) -> float:
        """CPU time a check."""
        return self._median("cpu_microseconds")

    @property
    def rate(self) -> float:
        """Checks a second."""
        return self._median("rate")

    @property
    def peak_bytes(self) -> float:
        """Peak memory."""
        return self._median("peak_bytes")

    @property
    def resident_bytes(self) -> float:
        """Memory at the end."""
        return self._median("resident_bytes")

    def _median(self, name: str) -> float:
        return float(median(getattr(run, name) for run in self.runs)) if self.runs else 0.0


def summaries(figures: Sequence[Figures]) -> list[Summary]:
    """Join the repeats of every run, in the order of their first run."""

    def key(run: Figures) -> tuple[str, int, str]:
        return run.kind, run.targets, run.program

    order = list(dict.fromkeys(key(run) for run in figures))
    found = []
    for _, group in groupby(sorted(figures, key=lambda run: order.index(key(run))), key):
        runs = list(group)
        first = runs[0]
        error = next((run.error for run in runs if run.error), "")
        found.append(
            Summary(first.program, first.kind, first.targets, tuple(run for run in runs if not run.error), error)
        )
    return found


def rows(found: Sequence[Summary]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row of the main table, as in COLUMNS."""
    costs = {(one.kind, one.targets, one.program): one.cpu_microseconds for one in found if one.runs}
    for one in found:
        head = (one.kind, f"{one.targets:,}", one.program)
        if not one.runs:
            yield (*head, *("-" for _ in COLUMNS[len(head) :]))
            continue
        others = (costs.get((one.kind, one.targets, name)) for name in COMPARED_TO)
        ratios = (f"{one.cpu_microseconds / other:.2f}" if other else "-" for other in others)
        cost, peak = f"{one.cpu_microseconds:.0f} µs", f"{one.peak_bytes / MIB:.0f} MiB"
        yield (*head, f"{one.rate:.0f}", cost, *ratios, peak)


def memory_rows(found: Sequence[Summary]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the cells of the memory a target: of each program, between its fewest and its most targets."""
    pairs = dict.fromkeys((one.kind, one.program) for one in found)
    for kind, program in pairs:
        runs = sorted((one for one in found if one.runs and (one.kind, one.program) == (kind, program)), key=_targets)
        if len(runs) > 1:
            few, many = runs[0], runs[-1]
            each = (many.resident_bytes - few.resident_bytes) / (many.targets - few.targets)
            yield kind, program, f"{few.targets:,} to {many.targets:,}", f"{each / KIB:.2f} KiB"


def complaints(figures: Sequence[Figures]) -> Iterator[str]:
    """Yield what is wrong with a run: an error, too few checks, failed checks, or a disturbance."""
    for run in figures:
        name = f"{run.program}, {run.kind}, {run.targets:,} targets, run {run.repeat + 1}"
        if run.error:
            yield f"{name}: {run.error}"
            continue
        if run.rate < 0.98 * run.rate_asked:
            cores = f"its core was used to {run.core_share:.0%}, the server's to {run.server_core_share:.0%}"
            yield f"{name}: fell behind, {run.rate:.0f} of {run.rate_asked:g} checks a second; {cores}"
        if run.successes is not None and abs(run.successes - run.checks) > 0.02 * run.checks:
            yield f"{name}: {run.successes} successes written of {run.checks} checks that the server saw"
        if run.others_share > DISTURBED_SHARE:
            yield f"{name}: disturbed, others used {run.others_share:.0%} of its core"


def terminal_table(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    """Lay out a table; all but words are aligned to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in ("kind", "program", "what") else "right", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    return table


def markdown_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    aligned = ["---" if column in ("kind", "program", "what") else "---:" for column in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, aligned, *cells))


def _targets(one: Summary) -> int:
    return one.targets
