"""The work, the pace, the machine's cores and nginx's configuration."""

from pathlib import Path

import pytest
import re2
import yaml

from benchmarks.machine import Cores, version_in
from benchmarks.nginx import Site, configuration
from benchmarks.pace import MAX_BEHIND_SECONDS, Pace
from benchmarks.postgres import Postgres
from benchmarks.workload import BODY, PATTERN, Kind, Workload, write_targets


def a_workload(kind: Kind = Kind.HTTP, targets: int = 3, rate: float = 750.0) -> Workload:
    return Workload(kind, targets, rate, workers=100)


@pytest.mark.parametrize(("targets", "seconds"), [(100, 0.1333), (1000, 1.333), (100_000, 133.33)])
def test_the_interval_follows_from_the_rate(targets: int, seconds: float) -> None:
    assert a_workload(targets=targets).interval_seconds == pytest.approx(seconds, rel=1e-3)


def test_a_timeout_is_never_above_the_interval() -> None:
    assert a_workload(targets=75).timeout_seconds == pytest.approx(0.1)
    assert a_workload(targets=100_000).timeout_seconds == 10


def test_the_config_file_has_every_target(tmp_path: Path) -> None:
    write_targets(tmp_path / "config.yaml", a_workload(), "http://127.0.0.1:8080")
    urls = yaml.safe_load((tmp_path / "config.yaml").read_text())["urls"]
    assert [url["address"] for url in urls] == [f"http://127.0.0.1:8080/t/{number}" for number in range(3)]
    assert urls[0] == {"address": urls[0]["address"], "interval": 0.004, "timeout": 0.004, "regex": PATTERN}


def test_connections_are_kept_for_that_kind_alone(tmp_path: Path) -> None:
    write_targets(tmp_path / "config.yaml", a_workload(Kind.KEEP_ALIVE), "http://127.0.0.1:8080")
    assert all(url["keep_alive"] is True for url in yaml.safe_load((tmp_path / "config.yaml").read_text())["urls"])


def test_the_body_matches() -> None:
    assert re2.search(PATTERN, BODY)


def test_the_program_has_a_core_of_its_own() -> None:
    cores = Cores.of({2, 5, 7})
    assert (cores.program, cores.others, cores.shared) == (2, 7, False)
    assert Cores.of({0}).shared


def test_a_pace_is_kept_through_a_delay() -> None:
    pace = Pace(rate=10, now=100.0)
    assert pace.seconds_to_next(100.0) == 0
    assert pace.seconds_to_next(100.0) == pytest.approx(0.1)
    # One that comes late is followed at once by those that are due, not by a shifted pace.
    assert pace.seconds_to_next(100.35) == 0
    assert pace.seconds_to_next(100.35) == 0
    assert pace.seconds_to_next(100.35) == pytest.approx(0.05)


def test_what_is_far_behind_is_given_up() -> None:
    pace = Pace(rate=10, now=100.0)
    late = 100 + MAX_BEHIND_SECONDS + 0.1
    assert pace.seconds_to_next(late) == 0
    assert pace.seconds_to_next(late) == pytest.approx(0.1)


def test_nginx_serves_the_body_on_its_ports() -> None:
    site = Site({Kind.HTTP: 8001, Kind.HTTPS: 8002, Kind.KEEP_ALIVE: 8001}, 8003, Path("authority.pem"))
    written = configuration(site, descriptors=1064)
    assert f'return 200 "{BODY}"' in written
    assert all(line in written for line in ("127.0.0.1:8001 ", "127.0.0.1:8002 ssl", "127.0.0.1:8003;"))
    assert "worker_connections 1000;" in written


def test_versions_are_found_in_what_programs_say() -> None:
    assert version_in("nginx version: nginx/1.22.1\n") == "1.22.1"
    assert version_in("blackbox_exporter, version 0.23.0 (branch: debian/sid)") == "0.23.0"
    assert version_in("no idea") == "unknown"


def test_the_embedded_server_is_given_to_watcher_as_an_external_one() -> None:
    url = "postgresql://watcher:s%2Fcret@/postgres?host=%2Ftmp%2Fsockets&port=5432&sslmode=disable"
    settings = Postgres.at(url).settings()
    assert (settings["POSTGRES_HOST"], settings["POSTGRES_PASSWORD"]) == ("/tmp/sockets", "s/cret")
