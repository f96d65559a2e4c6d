"""Which targets a replica starts and stops when the file and its share change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import a_target
from watcher.daemon.sharing.moves import Moves, find_moves, gained, part_watched_at
from watcher.model.difference import Difference, checked_alike, difference

if TYPE_CHECKING:
    from watcher.model.target import Target

A, B, C = (a_target(name) for name in "abc")
OTHER_A = replace(A, interval_seconds=77.0)
A_OF_PLACES = replace(A, locations=("fra", "nyc"), quorum=1)


@pytest.mark.parametrize(
    ("watched", "configured", "held", "expected"),
    [
        ("", [A, B], "a", Moves(wanted=(A,))),
        ("a", [A, B], "a", Moves(staying=(A,))),
        ("a", [A, B], "ab", Moves(wanted=(B,), staying=(A,))),
        ("ab", [A, B], "b", Moves(lost=(A,), staying=(B,))),
        ("ab", [B], "ab", Moves(removed=(A,), staying=(B,))),
        ("a", [], "", Moves(removed=(A,))),  # not configured anywhere, so no replica takes it over
        ("ab", [OTHER_A, B], "ab", Moves(changed=(OTHER_A,), staying=(OTHER_A, B))),
        ("ab", [OTHER_A, B], "b", Moves(lost=(A,), staying=(B,))),
        ("a", [OTHER_A, C], "c", Moves(lost=(A,), wanted=(C,))),
        ("a", [A_OF_PLACES], "a", Moves(staying=(A_OF_PLACES,))),  # it is checked as before
        ("a", [replace(OTHER_A, quorum=1)], "a", Moves(changed=(one := replace(OTHER_A, quorum=1),), staying=(one,))),
        ("b", [OTHER_A, B], "ab", Moves(wanted=(OTHER_A,), staying=(B,))),
    ],
)
def test_a_table_of_moves(watched: str, configured: list[Target], held: str, expected: Moves) -> None:
    known = {target.name: target for target in (A, B, C) if target.name in watched}
    assert find_moves(known, configured, lambda name: name in held) == expected


def test_a_renamed_target_continues_here_or_elsewhere() -> None:
    moves = find_moves({"a": A, "b": B}, [B, C], lambda name: name in "bc", {"a": "c"})
    assert moves == Moves(removed=(A,), staying=(B,), going_on=(C,), renamed={"a": "c"})
    assert moves.first == Difference((C,), (A,), (), (B, C), {"a": "c"})
    moves = find_moves({"a": A, "b": B}, [B, C], lambda name: name == "b", {"a": "c"})
    assert moves == Moves(removed=(A,), staying=(B,), renamed={"a": "c"})


versions = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([10.0, 20.0]))
steps = st.lists(st.tuples(versions, st.frozensets(st.sampled_from("abcdefgh"))), max_size=6)


@given(steps)
def test_after_all_moves_a_replica_watches_its_share_of_the_file(
    steps: list[tuple[dict[str, float], frozenset[str]]],
) -> None:
    watched: dict[str, Target] = {}
    objects = {
        (name, seconds): a_target(name, interval_seconds=seconds) for name in "abcdefgh" for seconds in (10.0, 20.0)
    }
    for file, held in steps:
        configured = [objects[item] for item in file.items()]
        moves = find_moves(watched, configured, held.__contains__)
        for one in (moves.first, gained(moves.staying, moves.wanted)):
            watched = _after(watched, one)
        assert watched == {target.name: target for target in configured if target.name in held}
        assert not {target.name for target in moves.removed} & file.keys()
        assert {target.name for target in moves.lost} <= file.keys() - held
        assert not find_moves(watched, configured, held.__contains__).ends_or_changes


placed = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from([10.0, 20.0]), st.sampled_from([(), ("fra",), ("nyc",), ("fra", "nyc")])),
)


@given(st.lists(placed, min_size=1, max_size=6))
def test_a_replica_alone_watches_all_targets_of_its_place(
    files: list[dict[str, tuple[float, tuple[str, ...]]]],
) -> None:
    configured: tuple[Target, ...] = ()
    watched: dict[str, Target] = {}
    for file in files:
        targets = [
            a_target(name, interval_seconds=seconds, address=f"http://{name}/", locations=locations)
            for name, (seconds, locations) in file.items()
        ]
        found = difference(configured, targets)
        part = part_watched_at("fra", found, list(watched.values()))
        assert (part is found) or any(target.locations for target in (*configured, *targets))
        configured, watched = found.targets, _after(watched, part)
        assert watched == {target.name: target for target in targets if target.is_watched_at("fra")}


def _after(watched: dict[str, Target], found: Difference) -> dict[str, Target]:
    """Apply a difference, and nothing else."""
    ending = {target.name for target in (*found.removed, *found.changed)}
    assert ending <= watched.keys(), "what is ended must run"
    rest = {name: target for name, target in watched.items() if name not in ending}
    beginning = {target.name: target for target in (*found.added, *found.changed)}
    assert not beginning.keys() & rest.keys(), "what is begun must not run"
    after, now = {**rest, **beginning}, {target.name: target for target in found.targets}
    assert after.keys() == now.keys()
    assert all(checked_alike(target, now[name]) for name, target in after.items() if target != now[name])
    return now
