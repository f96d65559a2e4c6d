"""Where reports of checks are printed as they come, by a thread: a pager that is not read must hold up no check."""

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

# Off a terminal a line has its whole length: it goes on to grep.
WIDTH_OFF_A_TERMINAL = 20_000
BAR_SECONDS = 0.1
LATE_BAR_SECONDS = 1.0
PORTION_LINES = 1000


class Screen:
    """Prints to stdout; on a terminal, a bar on stderr shows how far the checks are."""

    def __init__(self, total: int, *, with_bar: bool) -> None:
        """Make a screen for so many parts."""
        self._console = console_for_stdout()
        self._left = total
        self._waiting: list[RenderableType | None] = []
        self._came = trio.Event()
        self._bar = progress_bar(total, "checks") if with_bar else None

    def put(self, part: RenderableType | None) -> None:
        """Have a part printed; None is one that is not, and counts."""
        self._waiting.append(part)
        self._came.set()

    async def run(self) -> None:
        """Print until all parts have come.

        Raises:
            OSError: nobody reads, or the disk is full.
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
        """Print at once."""
        print_to(self._console, part)

    def _show(self, parts: list[RenderableType | None]) -> None:
        shown = [part for part in parts if part is not None]
        if self._bar is None:
            for part in shown:
                self.print(part)
            return
        # The bar is on stderr and the parts are on stdout, which are one terminal or two: it goes away for a moment.
        self._bar.advance(self._bar.task_ids[0], len(parts))
        if shown:
            self._bar.stop()
            for part in shown:
                self.print(part)
        self._bar.start()
        self._bar.refresh()


class LateBar:
    """A bar on stderr that is shown where something takes long, and both stdout and stderr are terminals."""

    def __init__(self, what: str) -> None:
        """Begin to wait."""
        self._what = what
        self._shown_from = time.monotonic() + LATE_BAR_SECONDS
        self._bar: Progress | None = None

    def __enter__(self) -> LateBar:
        """Nothing is shown yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """Show how much of all is done."""
        if time.monotonic() < self._shown_from or sys.stdout is None or not sys.stdout.isatty():
            return
        if self._bar is None:
            self._bar = progress_bar(total, self._what)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
            self._bar.start()
            self._bar.refresh()


def print_to(console: Console, part: RenderableType) -> None:
    """Print a part, whatever characters the console may have."""
    with console.capture() as captured:
        console.print(part)
    text = captured.get()
    if console.color_system is None:  # rich fills some lines with spaces
        text = "".join(f"{line.rstrip()}\n" for line in text.split("\n")[:-1])
    print_text(console, text)


def print_lines(console: Console, lines: Iterable[Line]) -> None:
    """Print lines of text as `print_to` does, as many at a time as a buffer may hold.

    Where there are no colours and nothing to wrap at, they are printed as they are: rich takes 0.1 ms for each.
    """
    rest = iter(lines)
    while portion := list(islice(rest, PORTION_LINES)):
        if is_plain(console):
            print_text(console, "".join(map(as_text, portion)))
        else:
            print_to(console, Text("\n").join([line.text() for line in portion]))


def is_plain(console: Console) -> bool:
    """Return whether there are neither colours nor an end of a line to wrap at."""
    return console.color_system is None and not console.is_terminal


def as_text(line: Line) -> str:
    """Return a line as a plain console shows it."""
    return f"{line.plain.rstrip()}\n"


def print_text(console: Console, text: str) -> None:
    """Print text as it is, whatever characters the console may have."""
    encoding = console.encoding
    # As the console knows better than click whether colours are wanted, click takes none away.
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)


def console_for_stdout() -> Console:
    """Make the console that stdout is: with colours on a terminal only, and with lines of any length elsewhere."""
    # Rich's own NO_COLOR leaves bold and faint.
    console = Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
    if not console.is_terminal:
        console.width = WIDTH_OFF_A_TERMINAL
    return console


def progress_bar(total: int, what: str) -> Progress | None:
    """Make a bar on stderr, which is shown once it is refreshed; None where stderr is no terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    bar = Progress(*columns, console=console, auto_refresh=False, transient=True, redirect_stdout=False)
    bar.add_task(what, total=total)
    return bar
