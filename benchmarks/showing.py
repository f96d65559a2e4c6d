"""Makes commands of functions that measure: they print tables for a terminal or in Markdown, and write JSON."""

import functools
import json
import math
import os
import platform
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.children import Cores, ProgramEndedError

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
BLACKBOX = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
PACKAGES = ("watcher", "trio", "aiohttp", "asyncpg")
MIB = 1024 * 1024
MIN_WIDTH = 120  # a cut table is useless, and without a terminal the width is unknown
LEFT = ("kind", "program", "what")  # the columns of words; others are aligned to the right

option = functools.partial(click.option, show_default=True)


class Several(click.ParamType[tuple[Any, ...]]):
    """Several values of one type, separated by commas."""

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self._kind = kind
        self.name = f"{kind.name}s"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(self._kind.convert(part, param, ctx) for part in parts)


class Table(NamedTuple):
    """Figures, and how they are shown.

    Attributes:
        title: is left out in Markdown.
        head: the columns, each with the format of its values, such as `targets {:,} | CPU a check {:.0f} µs`.
        rows: the values, in the units of the formats; None is shown as a dash.
    """

    title: str
    head: str
    rows: Sequence[Sequence[object]]

    def columns(self) -> dict[str, str]:
        """Return the format of each column."""
        return dict(re.findall(r"([^|{]+) (\{[^|]+)(?: \| |$)", self.head))

    def cells(self) -> list[list[str]]:
        """Return the text of each value."""
        forms = self.columns().values()
        return [
            ["-" if value is None else form.format(value) for form, value in zip(forms, row, strict=True)]
            for row in self.rows
        ]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        aligned = ["---" if column in LEFT else "---:" for column in self.columns()]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.columns(), aligned, *self.cells()))

    def print(self) -> None:
        """Print the table for a terminal."""
        table = RichTable(title=self.title, title_justify="left", box=None, pad_edge=False)
        for column in self.columns():
            table.add_column(column, justify="left" if column in LEFT else "right", no_wrap=True)
        for row in self.cells():
            table.add_row(*row)
        console = Console(highlight=False)
        console.width = max(console.width, MIN_WIDTH)
        console.print(table)
        console.print()


def benchmark(*, pinned: bool = True, **settings: Any) -> Callable[[Callable[..., Iterable[Table | str]]], Any]:
    """Make a command, as by `click.command`, of a function that returns tables and other text to print.

    Args:
        pinned: whether it runs programs on cores of their own.
        settings: of the command.
    """

    def command(measure: Callable[..., Iterable[Table | str]]) -> Any:
        @click.command(**settings)  # type: ignore[untyped-decorator]
        @click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
        @click.option("--markdown", is_flag=True, help="Print the tables in Markdown.")
        @click.pass_context
        @functools.wraps(measure)
        def run(context: click.Context, /, *, file: Path | None, markdown: bool, **options: Any) -> None:
            if context.invoked_subcommand is not None:
                return
            machine = describe(Cores.here()) | ({} if pinned else {"pinning": "none"})
            try:
                parts = list(measure(**options))
            except ProgramEndedError as error:
                raise click.ClickException(f"a program {error}") from error
            for part in parts:
                if isinstance(part, Table) and not markdown:
                    part.print()
                else:
                    click.echo(f"{part.markdown() if isinstance(part, Table) else part}\n")
            for key, value in machine.items():
                click.echo(f"{'- ' if markdown else ''}{key}: {value}")
            if file is not None:
                document = {"machine": machine, "tables": [part._asdict() for part in parts if isinstance(part, Table)]}
                file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

        return run

    return command


def say(line: str) -> None:
    """Print a line besides the tables."""
    click.echo(line, err=True)


def quantile(values: Iterable[float], part: float) -> float | None:
    """Return the value that this part of all did not exceed (the nearest rank); None without values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)), 1) - 1] if ordered else None


def milliseconds(values: Iterable[float], part: float) -> str:
    """Return the cell of a quantile of seconds."""
    seconds = quantile(values, part)
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"


def describe(cores: Cores) -> dict[str, str]:
    """Return the environment of the figures, for readers elsewhere, in the order of its display."""
    one_core = cores.program == cores.others
    shared = "; ONE CORE ONLY, the program shares it with nginx: do not quote these figures" if one_core else ""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes").replace("+00:00", "Z"),
        "cpu": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "pinning": f"program on core {cores.program}, all else on core {cores.others}{shared}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{package: _package_version(package) for package in PACKAGES},
        "blackbox_exporter": _program_version(BLACKBOX, "--version"),
        "nginx": _program_version(NGINX, "-v"),
        "openssl": ssl.OPENSSL_VERSION,
    }


def _program_version(program: str | None, option: str) -> str:
    if program is None:
        return "not installed"
    done = subprocess.run([program, option], capture_output=True, check=False)  # noqa: S603
    found = re.search(rb"\d+\.\d+[\w.+~-]*", done.stdout + done.stderr)
    return found[0].decode() if found else "unknown"


def _package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
