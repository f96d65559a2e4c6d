"""Runs `watcher check`: checks some or all targets and shows the results."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click
import trio
from rich.text import Text

from watcher.checking.check import check_now
from watcher.checking.check_context import open_check_context
from watcher.cli.common import EXIT_ERROR, EXIT_INTERRUPTED, cancel_on_signal
from watcher.cli.views.screen import Screen
from watcher.cli.views.waterfall import line, totals, waterfall
from watcher.reporting.outcomes import outcome_as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from watcher.checking.check import CheckReport
    from watcher.checking.check_context import CheckContext
    from watcher.model.outcome import Outcome
    from watcher.model.target import Target


def check_and_show(targets: Sequence[Target], max_workers: int, *, as_lines: bool, as_json: bool) -> int:
    """Check each target once.

    Args:
        targets: the targets to check.
        max_workers: checks in flight at once.
        as_lines: whether to print a line per target instead of a waterfall.
        as_json: whether to print one JSON document at the end instead.

    Returns:
        the exit status; an interruption ends the process.
    """
    screen = Screen(len(targets), with_bar=as_lines)
    outcomes = trio.run(_check_all, targets, max_workers, screen, as_lines, as_json)
    if outcomes is None:
        # A thread may still wait for a slow reader of our output, and an orderly exit would wait for the thread.
        os._exit(EXIT_INTERRUPTED)
    if as_json:
        click.echo(json.dumps([outcome_as_json(outcome) for outcome in outcomes], indent=2))
    elif as_lines:
        failing = sorted((outcome for outcome in outcomes if not outcome.ok), key=lambda outcome: outcome.target)
        # The lines of failing targets have scrolled out of sight.
        for part in (Text(), *map(line, failing), totals(outcomes)):
            screen.print(part)
    return 0 if all(outcome.ok for outcome in outcomes) else EXIT_ERROR


async def _check_all(
    targets: Sequence[Target],
    max_workers: int,
    screen: Screen,
    as_lines: bool,
    as_json: bool,
) -> list[Outcome] | None:
    """Check the targets and show each result as soon as possible; return None if interrupted."""
    outcomes: dict[int, Outcome] = {}  # without exchanges: a thousand bodies could be a gigabyte
    parts: dict[int, RenderableType] = {}
    waiting = iter(enumerate(targets))
    next_shown = 0

    def show(index: int, report: CheckReport) -> None:
        nonlocal next_shown
        if as_json or as_lines:
            screen.put(None if as_json else line(report.outcome))
            return
        parts[index] = waterfall(report)
        while next_shown in parts:  # named targets are shown in the order of the arguments
            screen.put(parts.pop(next_shown))
            next_shown += 1

    # One task per worker: one per target would need memory for all targets at once.
    async def work(context: CheckContext) -> None:
        for index, target in waiting:
            report = await check_now(target, context)
            outcomes[index] = report.outcome
            show(index, report)

    unwritable: OSError | None = None
    done = False
    async with trio.open_nursery() as nursery:
        await nursery.start(cancel_on_signal, nursery.cancel_scope)
        try:
            async with trio.open_nursery() as inner:
                inner.start_soon(screen.run)
                async with open_check_context(max_workers) as context, trio.open_nursery() as workers:
                    for _ in range(min(max_workers, len(targets))):
                        workers.start_soon(work, context)
            done = True
        except* OSError as group:
            unwritable = _first_leaf(group)
        nursery.cancel_scope.cancel()
    # Raised inside the nurseries, it would be wrapped in nested groups.
    if unwritable is not None:
        raise unwritable
    return [outcomes[index] for index in range(len(targets))] if done else None


def _first_leaf(group: ExceptionGroup[OSError]) -> OSError:
    first = group.exceptions[0]
    return _first_leaf(first) if isinstance(first, ExceptionGroup) else first
