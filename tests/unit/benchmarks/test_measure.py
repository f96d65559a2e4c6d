"""Readings from /proc, from a process's clock and from nginx."""

import os
import time
from pathlib import Path

import pytest

from benchmarks.measure import Figures, cpu_seconds, lines_between, parse_memory
from benchmarks.nginx import Served

STATUS = """Name:\tpython
VmPeak:\t  123456 kB
VmHWM:\t   20480 kB
VmRSS:\t   10240 kB
Threads:\t3
"""
STUB_STATUS = (
    "Active connections: 1 \nserver accepts handled requests\n 31 31 4711 \nReading: 0 Writing: 1 Waiting: 0 \n"
)


def test_the_clock_of_a_process_is_the_one_it_reads_itself() -> None:
    before = time.process_time()
    seen = cpu_seconds(os.getpid())
    assert before <= seen <= time.process_time()


def test_peak_and_present_memory_are_bytes() -> None:
    assert parse_memory(STATUS) == (20480 * 1024, 10240 * 1024)


def test_the_page_of_nginx_is_read() -> None:
    assert Served.parse(STUB_STATUS) == Served(connections=31, requests=4711)


def test_our_own_question_does_not_count() -> None:
    # nginx counts a request before it answers it: with no checks in between, the second answer is one more.
    assert Served(8, 101).since(Served(7, 100)) == Served(0, 0)


def test_lines_of_a_window_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "successes.log"
    file.write_bytes(b"before\none\ntwo\nafter\n")
    assert lines_between(file, len(b"before\n"), len(b"before\none\ntwo\n")) == 2


def test_the_cost_of_a_check_is_by_the_checks_that_were_done() -> None:
    run = Figures("watcher", "http", 100, 750.0, 0, seconds=10.0, checks=5000, cpu_seconds=2.0, others_share=0.3)
    assert run.rate == 500
    assert run.cpu_microseconds == pytest.approx(400)
    assert run.core_share == pytest.approx(0.5)
