"""Prints tables and lines, and writes files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from benchmarks import tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIN_WIDTH = 120  # a cut table is useless, and without a terminal the width is unknown


def say(line: str) -> None:
    """Print a line besides the tables."""
    click.echo(line, err=True)


def show(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], *, markdown: bool) -> None:
    """Print a table for a terminal, or in Markdown without its title."""
    if markdown:
        click.echo(f"{tables.markdown_table(columns, cells)}\n")
        return
    console = Console(highlight=False)
    console.width = max(console.width, MIN_WIDTH)
    console.print(tables.terminal_table(title, columns, cells))
    console.print()


def show_machine(machine: dict[str, str], *, markdown: bool) -> None:
    """Print the environment of the measurement."""
    line_begin = "- " if markdown else ""
    click.echo("\n".join(f"{line_begin}{key}: {value}" for key, value in machine.items()))


def write(file: Path | None, document: dict[str, Any]) -> None:
    """Write all figures as JSON if a file is given."""
    if file is not None:
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
