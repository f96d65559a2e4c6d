"""Rollups added up in place, from the numbers that PostgreSQL sends for them."""

from __future__ import annotations

import struct
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from watcher.history.histogram import BUCKETS
from watcher.history.tally import Tally

HISTOGRAMS = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 20_000), max_size=6)
NO_TIMES = (None, None, None)


def sent(histogram: dict[int, int]) -> bytes | None:
    """Write the column `packed` of a rollup as `numeric_send` does."""
    left, digits = sum(count * 10 ** (8 * (BUCKETS - 1 - key)) for key, count in histogram.items()), list[int]()
    while left:
        left, digit = divmod(left, 10_000)
        digits.insert(0, digit)
    power = len(digits) - 1
    while digits and digits[-1] == 0:
        digits.pop()
    return struct.pack(f">4H{len(digits)}H", len(digits), power, 0, 0, *digits) if digits else None


@given(st.lists(st.tuples(HISTOGRAMS, HISTOGRAMS), max_size=20))
def test_histograms_are_added_up_however_they_come(pairs: list[tuple[dict[int, int], dict[int, int]]]) -> None:
    tally, total = Tally(), Counter[int]()
    for packed, plain in pairs:
        number = sum(packed.values()) + sum(plain.values())
        tally.add({"up": number, "local": 3}, NO_TIMES, sent(packed), list(plain), list(plain.values()))
        total.update(packed)
        total.update(plain)
    rollup = tally.rollup()
    assert rollup is not None
    assert rollup.histogram == total


def test_missing_or_extra_data_is_noticed() -> None:
    for results, packed, keys in [
        ({"up": 3}, sent({7: 2}), []),
        ({"up": 2}, sent({7: 1}), [256]),  # a duration of a phase instead of a whole check
        ({"up": 10**8}, sent({7: 10**8}), []),  # overflowed into the next bucket
    ]:
        tally = Tally()
        tally.add(results, NO_TIMES, packed, keys, [1] * len(keys))
        assert tally.rollup() is None
