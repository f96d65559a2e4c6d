"""How counters become rows: medians, ratios, memory a target, and what is wrong with a run."""

import os
import time
from pathlib import Path

import pytest
import yaml

from benchmarks.blocking_sockets import MAX_BEHIND_SECONDS, Pace
from benchmarks.children import cpu_seconds
from benchmarks.compare import HEAD, Counters, Figures, complaints, memory_rows, rows
from benchmarks.programs import PROGRAMS
from benchmarks.servers import requests_in
from benchmarks.showing import Table
from benchmarks.storage import drain_rows
from benchmarks.workload import PATTERN, Kind, Workload


def figures(cpu_microseconds: float, resident_kib: float = 0.0) -> Figures:
    return Figures(750.0, cpu_microseconds, 50.0, resident_kib)


def test_a_row_has_the_median_and_the_ratio_to_each_of_the_others() -> None:
    runs = {
        ("http", 1000, "watcher"): [figures(300), figures(900), figures(310)],
        ("http", 1000, "aiohttp"): [figures(620)],
        ("http", 1000, "sockets"): [],  # it had no figures
        ("http", 100, "sockets"): [figures(100)],  # of another number of targets
    }
    assert Table("CPU", HEAD, list(rows(runs))).cells() == [
        ["http", "1,000", "watcher", "750", "310 µs", "0.50", "-", "-", "50 MiB"],
        ["http", "1,000", "aiohttp", "750", "620 µs", "1.00", "-", "-", "50 MiB"],
        ["http", "1,000", "sockets", *["-"] * 6],
        ["http", "100", "sockets", "750", "100 µs", "-", "-", "1.00", "50 MiB"],
    ]


def test_memory_a_target_is_between_the_fewest_and_the_most() -> None:
    runs = {("http", targets, "watcher"): [figures(300, 40_000 + targets * 3)] for targets in (100, 1000, 100_000)}
    assert list(memory_rows(runs)) == [("http", "watcher", "100 to 100,000", 3.0)]


def test_the_reasons_against_a_run_are_shown() -> None:
    behind, failed, disturbed = complaints(Counters(10.0, 4.0, 6.5, 1.0, 5000, 0), 750.0, 4000)
    assert behind == "fell behind, 500 of 750 checks a second; its core was used to 65%, the server's to 10%"
    assert "4000 successes written of 5000 checks" in failed
    assert "others used 25% of its core" in disturbed
    assert not list(complaints(Counters(10.0, 4.0, 4.0, 1.0, 7500, 0), 750.0, 7500))


def test_rates_are_compared_to_the_first() -> None:
    assert drain_rows([("outbox", 200, 2.0, 0.002), ("row by row", 50, 5.0, 0.05)]) == [
        ("outbox", 200, 2.0, 100, pytest.approx(10), 1.0),
        ("row by row", 50, 5.0, 10, pytest.approx(1000), 0.1),
    ]


def test_the_clock_of_a_process_is_the_one_it_reads_itself() -> None:
    before = time.process_time()
    assert before <= cpu_seconds(os.getpid())


def test_the_page_of_nginx_is_read() -> None:
    page = "Active connections: 1 \nserver accepts handled requests\n 31 31 4711 \nReading: 0 Writing: 1 Waiting: 0 \n"
    assert requests_in(page) == 4711


def test_the_interval_follows_from_the_rate_and_bounds_the_timeout(tmp_path: Path) -> None:
    workload = Workload(Kind.HTTP, 3, 750.0)
    workload.write(tmp_path / "config.yaml", {Kind.HTTP: 8080})
    urls = yaml.safe_load((tmp_path / "config.yaml").read_text())["urls"]
    assert [url["address"] for url in urls] == [f"http://127.0.0.1:8080/t/{number}" for number in range(3)]
    assert urls[0] == {"address": urls[0]["address"], "interval": 0.004, "timeout": 0.004, "regex": PATTERN}
    assert Workload(Kind.HTTP, 100_000, 750.0).timeout_seconds == 10


def test_a_pace_is_kept_through_a_delay_unless_it_is_long() -> None:
    pace = Pace(rate=10, now=100.0)
    # One that comes late is followed at once by those that are due, not by a shifted pace.
    waits = [pace.seconds_to_next(now) for now in (100.0, 100.0, 100.35, 100.35, 100.35)]
    assert waits == pytest.approx([0, 0.1, 0, 0, 0.05])
    late = 101.4 + MAX_BEHIND_SECONDS
    assert [pace.seconds_to_next(late), pace.seconds_to_next(late)] == pytest.approx([0, 0.1])


def test_each_program_does_what_it_can() -> None:
    able = {kind: [program.name for program in PROGRAMS if kind not in program.unable] for kind in Kind}
    assert able[Kind.HTTP] == able[Kind.HTTPS] == ["watcher", "aiohttp", "blackbox", "sockets"]
    assert able[Kind.HTTP2] == ["watcher", "blackbox"]
    assert able[Kind.KEEP_ALIVE] == ["watcher", "aiohttp", "sockets"]
