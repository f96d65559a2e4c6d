"""How figures become rows: medians, ratios, memory per target and the notes on a run."""

from dataclasses import replace

from benchmarks.measure import KIB, MIB, Figures
from benchmarks.tables import COLUMNS, complaints, memory_rows, rows, summaries


def a_run(
    program: str, cpu_microseconds: float, *, targets: int = 1000, repeat: int = 0, resident_bytes: int = 0
) -> Figures:
    return Figures(
        program=program,
        kind="http",
        targets=targets,
        rate_asked=750.0,
        repeat=repeat,
        seconds=10.0,
        checks=7500,
        successes=7500,
        cpu_seconds=cpu_microseconds * 7500 / 1e6,
        peak_bytes=50 * MIB,
        resident_bytes=resident_bytes,
    )


def test_repeats_become_their_median() -> None:
    runs = [a_run("watcher", cost, repeat=repeat) for repeat, cost in enumerate((300.0, 900.0, 310.0))]
    (one,) = summaries(runs)
    assert round(one.cpu_microseconds) == 310
    assert len(one.runs) == 3


def test_a_row_has_the_ratio_to_each_of_the_others() -> None:
    runs = [a_run("watcher", 300.0), a_run("aiohttp", 600.0), a_run("sockets", 150.0)]
    assert next(rows(summaries(runs))) == (
        *("http", "1,000", "watcher", "750", "300 µs"),
        *("0.50", "-", "2.00", "50 MiB"),
    )


def test_ratios_are_within_the_same_number_of_targets() -> None:
    runs = [a_run("watcher", 300.0, targets=100), a_run("aiohttp", 600.0, targets=1000)]
    row = dict(zip(COLUMNS, next(rows(summaries(runs))), strict=True))
    assert row["÷ aiohttp"] == "-"


def test_a_repeat_that_failed_does_not_enter_the_median() -> None:
    failed = Figures("watcher", "http", 1000, 750.0, 1, error="ended with status 1")
    (one,) = summaries([a_run("watcher", 300.0), failed])
    assert round(one.cpu_microseconds) == 300
    assert one.error == "ended with status 1"


def test_memory_a_target_is_between_the_fewest_and_the_most() -> None:
    runs = [
        a_run("watcher", 300.0, targets=targets, resident_bytes=40 * MIB + targets * 3 * KIB)
        for targets in (100, 1000, 100_000)
    ]
    assert list(memory_rows(summaries(runs))) == [("http", "watcher", "100 to 100,000", "3.00 KiB")]


def test_the_reasons_against_a_run_are_shown() -> None:
    run = replace(a_run("watcher", 0.0), seconds=10.0, checks=5000, successes=4000, cpu_seconds=9.0, others_share=0.25)
    behind, failed, disturbed = complaints([run])
    assert "fell behind, 500 of 750 checks a second" in behind
    assert "4000 successes written of 5000 checks" in failed
    assert "others used 25% of its core" in disturbed
