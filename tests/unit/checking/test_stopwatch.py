"""Phases: consecutive, summed, and known while they run."""

import pytest

from watcher.checking.http.stopwatch import Stopwatch
from watcher.model.outcome import Phases


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_phases_that_did_not_happen_are_none() -> None:
    assert Stopwatch(Hand()).phases() == Phases()


def test_a_step_ends_where_the_next_starts() -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock)
    for step in ("resolve", "connect", "tls", "processing", "transfer"):
        stopwatch.enter(step)
        assert stopwatch.step == step
        clock.seconds += 1
    assert stopwatch.phases() == Phases(resolve=1, connect=1, tls=1, processing=1, transfer=1)
    assert stopwatch.step is None


def test_the_rest_of_the_head_is_part_of_the_transfer() -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock)
    stopwatch.enter("headers")
    clock.seconds = 2
    stopwatch.enter("transfer")
    clock.seconds = 5
    assert stopwatch.phases() == Phases(transfer=5)


def test_a_step_that_comes_again_adds_up() -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock)
    for step, seconds in (("connect", 1), ("resolve", 2), ("connect", 4)):
        stopwatch.enter(step)
        clock.seconds += seconds
    assert stopwatch.phases() == Phases(resolve=2, connect=5)


@pytest.mark.parametrize("step", ["resolve", "connect", "tls", "processing", "transfer"])
def test_a_step_that_was_cut_off_counts_as_far_as_it_came(step: str) -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock)
    stopwatch.enter(step)
    clock.seconds = 4
    assert getattr(stopwatch.phases(), step) == 4
    clock.seconds = 9
    assert getattr(stopwatch.phases(), step) == 4, "it ran on"


def test_phases_of_hops_are_summed_and_none_stays_none() -> None:
    first = Phases(resolve=1, connect=2, processing=3)
    second = Phases(connect=4, tls=5)
    assert first.plus(second) == Phases(resolve=1, connect=6, tls=5, processing=3, transfer=None)
