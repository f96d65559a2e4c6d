"""What replicas report about their shares, and the tables of their cost."""

from dataclasses import replace

from benchmarks.lateness import Lateness
from benchmarks.scale import (
    COLUMNS,
    HANDOVER_COLUMNS,
    Handover,
    Scale,
    Share,
    handover_rows,
    is_shared,
    newest_share,
    rows,
    started_at,
)

SAID = b"""2026-11-26T12:46:40.100Z info started targets=500
2026-11-26T12:46:41.250Z info share epoch=3 replicas=2 targets=236 gained=236
2026-11-26T12:46:51.500Z info share epoch=4 replicas=1 targets=500 gained=264
2026-11-26T12:46:52.000Z info stopping signal=SIGTERM
"""
SHARES = [Share(1.0, 7, 2, 264), Share(2.0, 7, 2, 236)]


def test_the_newest_share_is_read_from_the_lines_of_a_daemon() -> None:
    (share,) = newest_share(SAID)
    assert share[1:] == (4, 1, 500)
    assert share.at % 60 == 51.5
    assert newest_share(SAID.split(b"\n")[0]) == []
    assert started_at(SAID) == [share.at - 11.4]
    assert started_at(SAID.split(b"\n")[1]) == []


def test_targets_are_shared_once_all_replicas_agree_and_have_all_of_them() -> None:
    assert is_shared(SHARES, replicas=2, targets=500)
    assert not is_shared(SHARES[:1], replicas=2, targets=500)
    assert not is_shared(SHARES, replicas=2, targets=501)
    assert not is_shared([SHARES[0], SHARES[1]._replace(epoch=6)], replicas=2, targets=500)
    assert not is_shared([SHARES[0], SHARES[1]._replace(replicas=3)], replicas=2, targets=500)


def test_the_cost_of_a_check_is_the_total_time_by_the_total_checks() -> None:
    late = Lateness(67, 66, (0.001,) * 66 + (0.29,), twice=2)
    handover = Handover("stopped (SIGTERM)", 2, 1, 236, 0.28, True, 0.11, late)
    endless = replace(handover, name="joined", before=1, after=2, seconds=120.2, has_ended=False)
    found = Scale(500, 2, 10.0, 1000, 0.5, 0.02, 25, 50, 13, 100 * 2**20, (handover, endless))
    (cells,) = rows([found])
    assert dict(zip(COLUMNS, cells, strict=True)) == {
        "targets": "500",
        "replicas": "2",
        "checks/s": "100",
        "CPU a check": "500 µs",
        "database": "0.2% of a core",
        "a check": "20 µs",
        "rows/s": "2.5",
        "commits/s": "5.0",
        "connections": "13",
        "memory": "100 MiB",
    }
    cells, other_cells = handover_rows([found])
    assert other_cells[2:5] == ("1 → 2", "236", "not within 120 s")
    assert cells == ("stopped (SIGTERM)", "500", "2 → 1", "236", "0.28 s", "0.11 s", "0.29 s", "1 of 66", "2")
    assert len(cells) == len(HANDOVER_COLUMNS)
