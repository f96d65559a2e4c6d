"""Writes mistakes and warnings as compilers do: each with its line of the file, and a caret below it."""

from __future__ import annotations

import os
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.common import MAX_ERROR_CHARS
from watcher.cli.config_view.masked_lines import masked_env_line, masked_lines
from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from watcher.cli.config_view.masked_lines import MaskedLine
    from watcher.config.mistakes import Mistake

MAX_COLUMNS = 120
_MIN_COLUMNS = 40
_GUTTER = 5  # the width of a line number, unless it has more digits


def tell(mistakes: Sequence[Mistake], env_file: Path, *, prefix: str = "", colour: str = "red") -> None:
    """Write mistakes to stderr, each with its line of the file.

    Args:
        mistakes: the mistakes, in the order of the output.
        env_file: the path of `.env`; every other file is YAML.
        prefix: the start of each line of a mistake, such as `warning: `.
        colour: the colour of the prefix and the caret, on a terminal.
    """
    has_colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else MAX_COLUMNS
    lines = list(_output_lines(mistakes, env_file, prefix, colour if has_colour else None, max(width, _MIN_COLUMNS)))
    if lines:
        click.echo("\n".join(lines), err=True, color=has_colour)


def _output_lines(
    mistakes: Sequence[Mistake], env_file: Path, prefix: str, colour: str | None, max_columns: int
) -> Iterator[str]:
    sources = _Sources(mistakes, env_file)
    for mistake in mistakes:
        line = one_line(str(mistake), limit_chars=MAX_ERROR_CHARS)
        yield line if not prefix else f"{_styled(prefix, colour)}{line}"
        shown = sources.line_of(mistake)
        if shown is not None and mistake.place.line is not None:
            number = f"{mistake.place.line:>{_GUTTER}}"
            text, caret = shown.with_caret((mistake.place.column or 1) - 1, max_columns - len(number) - 3)
            yield f"{number} | {text}"
            yield f"{'':{len(number)}} | {caret[:-1]}{_styled('^', colour)}"


def _styled(text: str, colour: str | None) -> str:
    return text if colour is None else click.style(text, fg=colour, bold=True)


class _Sources:
    """The lines of the files in which the mistakes are; each file is read once."""

    def __init__(self, mistakes: Sequence[Mistake], env_file: Path) -> None:
        self._lines: dict[tuple[str, int], MaskedLine] = {}
        wanted: dict[str, set[int]] = defaultdict(set)
        for mistake in mistakes:
            if mistake.place.line is not None:
                wanted[mistake.place.source].add(mistake.place.line)
        for source, numbers in wanted.items():
            for number, line in _lines_of(source, numbers, is_env=source == str(env_file)).items():
                if line.says_something:
                    self._lines[source, number] = line

    def line_of(self, mistake: Mistake) -> MaskedLine | None:
        """Return the line of a mistake; None if it cannot be read, or only masks are left of it."""
        return self._lines.get((mistake.place.source, mistake.place.line or 0))


def _lines_of(source: str, numbers: Collection[int], *, is_env: bool) -> dict[int, MaskedLine]:
    try:
        text = Path(source).read_bytes().decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return {}
    if not is_env:
        return masked_lines(text, numbers)
    lines = dict(enumerate(text.replace("\r\n", "\n").split("\n"), start=1))
    return {number: masked_env_line(lines[number]) for number in numbers if number in lines}
