"""The programs to compare: each is whole, run as its user runs it, and pinned to the core of the measurement."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from benchmarks.children import environment, free_port, running
from benchmarks.machine import BLACKBOX, NGINX
from benchmarks.workload import PATTERN, Kind, write_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.children import Process
    from benchmarks.machine import Cores
    from benchmarks.nginx import Site
    from benchmarks.postgres import Postgres
    from benchmarks.workload import Workload


@dataclass(frozen=True, slots=True)
class Bench:
    """The environment that all programs share.

    Attributes:
        site: to check.
        database: for failures.
        cores: to run on.
    """

    site: Site
    database: Postgres
    cores: Cores


@dataclass(frozen=True, slots=True)
class Running:
    """A running program.

    Attributes:
        process: the measured one.
        said: the file of its stdout and stderr.
        successes: a file with one line a success, or None if it writes none.
    """

    process: Process
    said: Path
    successes: Path | None


@dataclass(frozen=True, slots=True)
class Program:
    """A program to compare.

    Attributes:
        name: for `--programs`, and in tables.
        start: runs it in a folder while the block lasts.
        missing: why it cannot run here, or empty.
        kinds: the kinds of check that it supports.
        checks_all_at_start: whether it starts with a check of every target at once, which must not be measured.
    """

    name: str
    start: Callable[[Bench, Workload, Path], AbstractContextManager[Running]]
    missing: str = ""
    kinds: frozenset[Kind] = field(default=frozenset(Kind))
    checks_all_at_start: bool = False


@contextmanager
def start_watcher(bench: Bench, workload: Workload, folder: Path, **more: object) -> Iterator[Running]:
    """Run the daemon with an external database; `more` are further settings of its `.env`."""
    write_targets(folder / "config.yaml", workload, bench.site.origin(workload.kind))
    settings = {
        "CONFIG_FILE_PATH": "config.yaml",
        "MAX_WORKERS": workload.workers,
        "WATCHER_RELOAD": "off",
        "MIN_INTERVAL_VAL": workload.interval_seconds / 2,
        "MAX_INTERVAL_VAL": workload.interval_seconds * 2,
        "WATCHER_HTTP": "127.0.0.1:0",
        **bench.database.settings(),
        **more,
    }
    lines = [f"{key}={value}\n" for key, value in settings.items()]
    (folder / ".env").write_text("".join(lines), encoding="utf-8")
    with _measured(bench, folder, sys.executable, "-m", "watcher", "run") as process:
        yield Running(process, folder / "said", folder / "monitor.log")


@contextmanager
def start_aiohttp(bench: Bench, workload: Workload, folder: Path) -> Iterator[Running]:
    """Run the monitor of the usual kind."""
    write_targets(folder / "config.yaml", workload, bench.site.origin(workload.kind))
    options = ["--config", "config.yaml", "--log", "successes.log", "--workers", f"{workload.workers}"]
    module = [sys.executable, "-m", "benchmarks.aiohttp_monitor"]
    with _measured(bench, folder, *module, *options, "--database", bench.database.url()) as process:
        yield Running(process, folder / "said", folder / "successes.log")


@contextmanager
def start_blackbox(bench: Bench, workload: Workload, folder: Path) -> Iterator[Running]:
    """Run blackbox_exporter, and its driver on the other core."""
    probing = {"preferred_ip_protocol": "ip4", "fail_if_body_not_matches_regexp": [PATTERN]}
    module = {"prober": "http", "timeout": f"{workload.timeout_seconds:.6f}s", "http": probing}
    (folder / "blackbox.yml").write_text(yaml.safe_dump({"modules": {"site": module}}), encoding="utf-8")
    assert BLACKBOX is not None
    address = f"127.0.0.1:{free_port()}"
    # Without an offset the timeout is the module's own, as short as those of the other programs.
    options = [
        "--config.file=blackbox.yml",
        f"--web.listen-address={address}",
        "--timeout-offset=0",
        "--log.level=error",
    ]
    driver = [
        *(sys.executable, "-m", "benchmarks.blackbox_driver", "--exporter", f"http://{address}"),
        *("--origin", bench.site.origin(workload.kind), "--targets", f"{workload.targets}"),
        *("--rate", f"{workload.rate}", "--workers", f"{workload.workers}", "--successes", "successes.log"),
    ]
    env = environment(bench.site.certificate_authority)
    with (
        _measured(bench, folder, BLACKBOX, *options) as process,
        running(driver, folder, bench.cores.others, env, folder / "driver.said"),
    ):
        yield Running(process, folder / "said", folder / "successes.log")


@contextmanager
def start_sockets(bench: Bench, workload: Workload, folder: Path) -> Iterator[Running]:
    """Run the lower bound."""
    options = ["--origin", bench.site.origin(workload.kind), "--kind", workload.kind.value]
    amounts = ["--targets", f"{workload.targets}", "--rate", f"{workload.rate}"]
    module = [sys.executable, "-m", "benchmarks.blocking_sockets"]
    with _measured(bench, folder, *module, *options, *amounts) as process:
        yield Running(process, folder / "said", None)


def _measured(bench: Bench, folder: Path, *command: str) -> AbstractContextManager[Process]:
    env = environment(bench.site.certificate_authority)
    return running(command, folder, bench.cores.program, env, folder / "said")


PROGRAMS = (
    Program("watcher", start_watcher, checks_all_at_start=True),
    # aiohttp does not speak HTTP/2, and frames are more than sockets alone.
    Program("aiohttp", start_aiohttp, kinds=frozenset(Kind) - {Kind.HTTP2}),
    # It opens a new connection for every probe, and has no setting to change that.
    Program(
        "blackbox",
        start_blackbox,
        missing="" if BLACKBOX else "blackbox_exporter is not installed",
        kinds=frozenset(Kind) - {Kind.KEEP_ALIVE},
    ),
    Program("sockets", start_sockets, kinds=frozenset(Kind) - {Kind.HTTP2}),
)

NGINX_MISSING = "" if shutil.which(NGINX) else "nginx is not installed; on Debian: apt install nginx-light"
