"""The owner of a target: all replicas count alike, shares are fair, and a change moves only what must move."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.cluster.assignment import BUCKETS, Assignment, bucket_of

REPLICAS = [UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128) for number in range(1, 9)]


def test_every_version_and_every_machine_counts_alike() -> None:
    """With other figures, two versions in one location would each leave targets to the other."""
    assert [bucket_of(name) for name in ("", "https://example.org/", "Café", "\udc80")] == [274, 2261, 2181, 2236]
    owners = Assignment.among(REPLICAS).owners
    assert [REPLICAS.index(owners[bucket]) for bucket in (0, 1, 2, 1000, BUCKETS - 1)] == [6, 2, 7, 5, 6]


@given(st.sets(st.uuids(), min_size=1, max_size=6), st.uuids())
def test_a_move_touches_only_what_must_move(replicas: set[UUID], joiner: UUID) -> None:
    without = Assignment.among(replicas - {joiner})
    joined = Assignment.among([*replicas, joiner])
    assert set(joined.owners) <= replicas | {joiner}
    if without.owners:
        assert {new for old, new in zip(without.owners, joined.owners, strict=True) if old != new} <= {joiner}


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_buckets_and_targets_are_shared_fairly(count: int) -> None:
    """The deviation of a fair draw among n is sqrt((n - 1) / BUCKETS) of a share; five are as good as never."""
    assignment = Assignment.among(REPLICAS[:count])
    bound = 1 + 5 * ((count - 1) / BUCKETS) ** 0.5
    shares = Counter(assignment.owners)
    assert max(shares.values()) <= bound * BUCKETS / count
    assert min(shares.values()) >= (2 - bound) * BUCKETS / count
    held = Counter(assignment.owner_of(f"https://example.org/{number}") for number in range(10_000))
    assert max(held.values()) <= (bound + 5 * (count / 10_000) ** 0.5) * 10_000 / count


def test_without_replicas_targets_have_no_owner() -> None:
    assert Assignment.among([]).owner_of("https://example.org/") is None
