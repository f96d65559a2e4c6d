"""The programs to compare: each is whole, run as its user runs it, and pinned to the core of the measurement."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.children import Child, ProgramEndedError, free_port
from benchmarks.servers import Bench, settings_of
from benchmarks.showing import BLACKBOX
from benchmarks.workload import PATTERN, Kind, Workload

Commands = Sequence[Sequence[str]]

START_SECONDS = 600.0
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Program:
    """A program to compare."""

    name: str  # for `--programs`, and in tables
    commands: Callable[..., Commands]  # prepares a folder; the first command is the measured one
    missing: str = ""  # why it cannot run here
    unable: tuple[Kind, ...] = ()  # the kinds of check that it does not support
    checks_all_at_start: bool = False  # a check of every target at once, which must not be measured

    @contextmanager
    def start(self, bench: Bench, workload: Workload, folder: Path, **settings: object) -> Iterator[Child]:
        """Run it in a folder while the block lasts; `settings` are further ones of watcher."""
        measured, *others = self.commands(bench, workload, folder, **settings)
        with ExitStack() as stack:
            child = stack.enter_context(bench.running(measured, folder))
            for other in others:
                stack.enter_context(bench.running(other, folder, "driver"))
            yield child

    @contextmanager
    def begun(self, bench: Bench, workload: Workload, **settings: object) -> Iterator[Child]:
        """Run it in a folder of its own; the block starts after the first checks.

        Raises:
            ProgramEndedError: it has ended, or has not checked in time.
        """
        with TemporaryDirectory(prefix="benchmark-") as name:
            before = bench.site.requests()
            with self.start(bench, workload, Path(name), **settings) as child:
                give_up_at = time.monotonic() + START_SECONDS
                wanted = workload.targets if self.checks_all_at_start else 1
                while (checks := bench.site.requests() - before) < wanted:
                    if time.monotonic() > give_up_at:
                        raise ProgramEndedError(f"only {checks} checks within {START_SECONDS:g} s of the start")
                    child.go_on(POLL_SECONDS)
                yield child


def _watcher(
    bench: Bench, workload: Workload, folder: Path, *, head: str = "", **more: object
) -> Sequence[Sequence[str]]:
    """The daemon with an external database; `head` are further lines of its configuration."""
    workload.write(folder / "config.yaml", bench.site.ports, head)
    settings = {
        "CONFIG_FILE_PATH": "config.yaml",
        "MAX_WORKERS": workload.workers,
        "WATCHER_RELOAD": "off",
        "MIN_INTERVAL_VAL": workload.interval_seconds / 2,
        "MAX_INTERVAL_VAL": workload.interval_seconds * 2,
        "WATCHER_HTTP": "127.0.0.1:0",
        **settings_of(bench.database),
        **more,
    }
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
    return [[sys.executable, "-m", "watcher", "run"]]


def _aiohttp(bench: Bench, workload: Workload, folder: Path) -> Commands:
    """The monitor of the usual kind."""
    workload.write(folder / "config.yaml", bench.site.ports)
    return [module("aiohttp_monitor", database=bench.database, workers=workload.workers)]


def _blackbox(bench: Bench, workload: Workload, folder: Path) -> Commands:
    """blackbox_exporter, and its driver on the other core."""
    probing = {"preferred_ip_protocol": "ip4", "fail_if_body_not_matches_regexp": [PATTERN]}
    probe = {"prober": "http", "timeout": f"{workload.timeout_seconds:.6f}s", "http": probing}
    (folder / "blackbox.yml").write_text(yaml.safe_dump({"modules": {"site": probe}}), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    # Without an offset the timeout is the module's own, as short as those of the other programs.
    options = ["--config.file=blackbox.yml", "--timeout-offset=0", "--log.level=error"]
    driver = module("blackbox_driver", exporter=f"http://{address}", **workload.options(bench.site.ports))
    return [[str(BLACKBOX), *options, f"--web.listen-address={address}"], driver]


def _sockets(bench: Bench, workload: Workload, _folder: Path) -> Commands:
    """The lower bound."""
    return [module("blocking_sockets", **workload.options(bench.site.ports))]


def module(name: str, **options: object) -> list[str]:
    """Return the command of a program of this package, which takes its options as JSON."""
    return [sys.executable, "-m", f"benchmarks.{name}", json.dumps(options)]


WATCHER = Program("watcher", _watcher, checks_all_at_start=True)
PROGRAMS = (
    WATCHER,
    # aiohttp does not speak HTTP/2, and frames are more than sockets alone.
    Program("aiohttp", _aiohttp, unable=(Kind.HTTP2,)),
    # It opens a new connection for every probe, and has no setting to change that.
    Program("blackbox", _blackbox, "" if BLACKBOX else "blackbox_exporter is not installed", (Kind.KEEP_ALIVE,)),
    Program("sockets", _sockets, unable=(Kind.HTTP2,)),
)
