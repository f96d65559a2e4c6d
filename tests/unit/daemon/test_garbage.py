"""The rest of a long collection is frozen; that of a short one is not."""

import gc
from collections.abc import Iterator

import pytest

from watcher.daemon.garbage import collect_in_small_steps, not_collecting, stop_collecting


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = list(gc.callbacks)
    yield
    gc.callbacks[:] = before
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize(("long_seconds", "set_apart"), [(0.0, True), (3600.0, False)])
def test_the_rest_of_a_long_collection_is_frozen(long_seconds: float, set_apart: bool) -> None:
    stop_collecting()
    assert not gc.isenabled()
    collect_in_small_steps(long_seconds)
    assert gc.isenabled()
    gc.collect()  # so that no full collection comes due by itself
    before = gc.get_freeze_count()
    kept = [[number] for number in range(1000)]
    gc.collect(1)
    assert gc.get_freeze_count() <= before, "only a full collection knows what is no garbage"
    gc.collect()
    # Not all of it: objects frozen earlier are freed when they are no longer used.
    assert (gc.get_freeze_count() >= before + len(kept) // 2) is set_apart


def test_garbage_is_still_found() -> None:
    collect_in_small_steps(0.0)
    cycle: list[object] = []
    cycle.append(cycle)
    gc.collect()
    live = [cycle]
    del cycle, live
    fresh: list[object] = []
    fresh.append(fresh)
    del fresh
    assert gc.collect() >= 1


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_is_collected_in_the_block_and_all_is_as_before_it(collects: bool) -> None:
    if not collects:
        stop_collecting()
    with not_collecting():
        assert not gc.isenabled()
    assert gc.isenabled() is collects
