"""Phases: nested, summed, and known while they run."""

from watcher.checking.stopwatch import Stopwatch
from watcher.model.outcome import Phases


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_what_did_not_happen_is_none() -> None:
    assert Stopwatch(Hand()).phases() == Phases()


def test_an_inner_phase_is_not_counted_in_the_outer_one() -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock)
    stopwatch.start("connect")
    clock.seconds = 1
    with stopwatch.phase("resolve"):
        assert stopwatch.running == "resolve"
        clock.seconds = 3
    clock.seconds = 7
    stopwatch.stop("connect")
    assert stopwatch.phases() == Phases(resolve=2, connect=5)


def test_phases_add_up_over_redirects() -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock)
    for seconds in (1, 2):
        with stopwatch.phase("processing"):
            clock.seconds += seconds
    assert stopwatch.phases() == Phases(processing=3)


def test_a_phase_that_was_cut_off_counts_as_far_as_it_came() -> None:
    clock = Hand()
    stopwatch = Stopwatch(clock)
    stopwatch.start("tls")
    clock.seconds = 4
    assert stopwatch.running == "tls"
    assert stopwatch.phases() == Phases(tls=4)
    assert stopwatch.running is None


def test_stopping_what_does_not_run_is_nothing() -> None:
    stopwatch = Stopwatch(Hand())
    stopwatch.start("connect")
    stopwatch.stop("tls")
    assert stopwatch.running == "connect"
