"""Prints results as they come, in a thread, so that a paused pager does not delay checks."""

from __future__ import annotations

import os
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING

import click
import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from watcher.cli.views.wording import Line

# Outside a terminal, lines are not wrapped, for grep and the like.
WIDTH_OFF_A_TERMINAL = 20_000
BAR_SECONDS = 0.1
LATE_BAR_SECONDS = 1.0
PORTION_LINES = 1000


class Screen:
    """Prints to stdout, with a progress bar on stderr if that is a terminal."""

    def __init__(self, total: int, *, with_bar: bool) -> None:
        """Create a screen for a number of parts."""
        self._console = console_for_stdout()
        self._left = total
        self._waiting: list[RenderableType | None] = []
        self._came = trio.Event()
        self._bar = progress_bar(total, "checks") if with_bar else None

    def put(self, part: RenderableType | None) -> None:
        """Queue a part for printing; None only counts as progress."""
        self._waiting.append(part)
        self._came.set()

    async def run(self) -> None:
        """Print until all parts have arrived.

        Raises:
            OSError: the reader is gone, or the disk is full.
        """
        try:
            while self._left:
                with trio.move_on_after(BAR_SECONDS if self._bar else float("inf")):
                    await self._came.wait()
                self._came = trio.Event()
                parts, self._waiting = self._waiting, []
                self._left -= len(parts)
                await trio.to_thread.run_sync(self._show, parts, abandon_on_cancel=True)
        finally:
            if self._bar is not None:
                self._bar.stop()

    def print(self, part: RenderableType) -> None:
        """Print a part immediately."""
        print_to(self._console, part)

    def _show(self, parts: list[RenderableType | None]) -> None:
        shown = [part for part in parts if part is not None]
        if self._bar is None:
            for part in shown:
                self.print(part)
            return
        # stdout and stderr may be one terminal, so the bar is removed while parts are printed.
        self._bar.advance(self._bar.task_ids[0], len(parts))
        if shown:
            self._bar.stop()
            for part in shown:
                self.print(part)
        self._bar.start()
        self._bar.refresh()


class LateBar:
    """A progress bar on stderr for slow work, if stdout and stderr are terminals."""

    def __init__(self, what: str) -> None:
        """Start the time after which the bar is shown."""
        self._what = what
        self._shown_from = time.monotonic() + LATE_BAR_SECONDS
        self._bar: Progress | None = None

    def __enter__(self) -> LateBar:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """Show the progress."""
        if time.monotonic() < self._shown_from or sys.stdout is None or not sys.stdout.isatty():
            return
        if self._bar is None:
            self._bar = progress_bar(total, self._what)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
            self._bar.start()
            self._bar.refresh()


def print_to(console: Console, part: RenderableType) -> None:
    """Print a part, with escapes for characters that the console does not have."""
    with console.capture() as captured:
        console.print(part)
    text = captured.get()
    if console.color_system is None:  # rich fills some lines with spaces
        text = "".join(f"{line.rstrip()}\n" for line in text.split("\n")[:-1])
    print_text(console, text)


def print_lines(console: Console, lines: Iterable[Line]) -> None:
    """Print lines as `print_to` does, in portions of PORTION_LINES.

    On a plain console they bypass rich, which takes 0.1 ms per line.
    """
    rest = iter(lines)
    while portion := list(islice(rest, PORTION_LINES)):
        if is_plain(console):
            print_text(console, "".join(map(as_text, portion)))
        else:
            print_to(console, Text("\n").join([line.text() for line in portion]))


def is_plain(console: Console) -> bool:
    """Return whether the console has neither colours nor wrapping."""
    return console.color_system is None and not console.is_terminal


def as_text(line: Line) -> str:
    """Return a line for a plain console."""
    return f"{line.plain.rstrip()}\n"


def print_text(console: Console, text: str) -> None:
    """Print text as it is, with escapes for characters that the console does not have."""
    encoding = console.encoding
    # The console has decided on colours already, so click must not strip them.
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)


def console_for_stdout() -> Console:
    """Create the console for stdout: colours on a terminal only, and unwrapped lines elsewhere."""
    # Rich's own NO_COLOR keeps bold and dim.
    console = Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
    if not console.is_terminal:
        console.width = WIDTH_OFF_A_TERMINAL
    return console


def progress_bar(total: int, what: str) -> Progress | None:
    """Create a progress bar on stderr, shown at its first refresh; None if stderr is not a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    bar = Progress(*columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False)
    bar.add_task(what, total=total)
    return bar
