"""The workload, its pace, the machine's cores and nginx's configuration."""

from pathlib import Path

import pytest
import yaml

from benchmarks.machine import Cores, version_in
from benchmarks.pace import MAX_BEHIND_SECONDS, Pace
from benchmarks.programs import PROGRAMS
from benchmarks.workload import PATTERN, Kind, Workload, write_targets


def a_workload(kind: Kind = Kind.HTTP, targets: int = 3, rate: float = 750.0) -> Workload:
    return Workload(kind, targets, rate, workers=100)


def test_the_interval_follows_from_the_rate_and_bounds_the_timeout() -> None:
    assert a_workload(targets=75).interval_seconds == a_workload(targets=75).timeout_seconds == pytest.approx(0.1)
    assert a_workload(targets=100_000).interval_seconds == pytest.approx(133.33, rel=1e-3)
    assert a_workload(targets=100_000).timeout_seconds == 10


def test_the_config_file_has_every_target(tmp_path: Path) -> None:
    write_targets(tmp_path / "config.yaml", a_workload(), "http://127.0.0.1:8080")
    urls = yaml.safe_load((tmp_path / "config.yaml").read_text())["urls"]
    assert [url["address"] for url in urls] == [f"http://127.0.0.1:8080/t/{number}" for number in range(3)]
    assert urls[0] == {"address": urls[0]["address"], "interval": 0.004, "timeout": 0.004, "regex": PATTERN}


def test_the_program_has_a_core_of_its_own() -> None:
    cores = Cores.of({2, 5, 7})
    assert (cores.program, cores.others, cores.shared) == (2, 7, False)
    assert Cores.of({0}).shared


def test_a_pace_is_kept_through_a_delay() -> None:
    pace = Pace(rate=10, now=100.0)
    assert pace.seconds_to_next(100.0) == 0
    assert pace.seconds_to_next(100.0) == pytest.approx(0.1)
    # A late one is followed at once by those that are due, not by a shifted pace.
    assert pace.seconds_to_next(100.35) == 0
    assert pace.seconds_to_next(100.35) == 0
    assert pace.seconds_to_next(100.35) == pytest.approx(0.05)


def test_slots_far_behind_are_given_up() -> None:
    pace = Pace(rate=10, now=100.0)
    late = 100 + MAX_BEHIND_SECONDS + 0.1
    assert pace.seconds_to_next(late) == 0
    assert pace.seconds_to_next(late) == pytest.approx(0.1)


def test_versions_are_found_in_the_output_of_programs() -> None:
    assert version_in("nginx version: nginx/1.22.1\n") == "1.22.1"
    assert version_in("blackbox_exporter, version 0.23.0 (branch: debian/sid)") == "0.23.0"
    assert version_in("no idea") == "unknown"


def test_each_program_does_what_it_can() -> None:
    able = {kind: [program.name for program in PROGRAMS if kind in program.kinds] for kind in Kind}
    assert able[Kind.HTTP] == able[Kind.HTTPS] == ["watcher", "aiohttp", "blackbox", "sockets"]
    assert able[Kind.HTTP2] == ["watcher", "blackbox"]
    assert able[Kind.KEEP_ALIVE] == ["watcher", "aiohttp", "sockets"]
