"""Which rollups cover a window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from watcher.postgres.tables.rollup_pieces import (
    DAY,
    FINER,
    HOUR,
    MINUTE,
    PORTION_WEIGHT,
    WEIGHTS,
    Piece,
    Unit,
    joined_steps,
    pieces_of,
    portions_of,
    split_units,
)

if TYPE_CHECKING:
    import random

D = 20_000 * DAY


def weight_of(portion: list[Piece]) -> int:
    return sum((piece.end - piece.begin) // piece.period * WEIGHTS[piece.period] for piece in portion)


def test_a_window_is_days_with_hours_and_minutes_at_its_edges() -> None:
    begin, end = D + 22 * HOUR + 58 * MINUTE, D + 3 * DAY + 2 * HOUR + MINUTE
    assert pieces_of(begin, end) == [
        Piece(MINUTE, begin, D + 23 * HOUR),
        Piece(HOUR, D + 23 * HOUR, D + DAY),
        Piece(DAY, D + DAY, D + 3 * DAY),
        Piece(HOUR, D + 3 * DAY, D + 3 * DAY + 2 * HOUR),
        Piece(MINUTE, D + 3 * DAY + 2 * HOUR, end),
    ]


def test_marked_rollups_are_read_from_finer_ones() -> None:
    marked = {(DAY, D + DAY), (HOUR, D + DAY + 5 * HOUR), (HOUR, D + DAY + 6 * HOUR)}
    assert pieces_of(D, D + 2 * DAY, marked=marked) == [
        Piece(DAY, D, D + DAY),
        Piece(HOUR, D + DAY, D + DAY + 5 * HOUR),
        Piece(MINUTE, D + DAY + 5 * HOUR, D + DAY + 7 * HOUR),
        Piece(HOUR, D + DAY + 7 * HOUR, D + 2 * DAY),
    ]


def test_an_edge_whose_minutes_are_gone_is_rounded_outward() -> None:
    begin, end = D + 20 * MINUTE, D + 5 * HOUR + MINUTE
    gone = {(HOUR, D), (HOUR, D + 5 * HOUR)}
    assert pieces_of(begin, end, gone=gone) == [Piece(HOUR, D, D + 6 * HOUR)]
    assert pieces_of(begin, end, gone={(HOUR, D)}) == [
        Piece(HOUR, D, D + 5 * HOUR),
        Piece(MINUTE, D + 5 * HOUR, end),
    ]
    assert pieces_of(begin, begin + MINUTE, gone=gone) == [Piece(HOUR, D, D + HOUR)]
    assert pieces_of(begin, end, gone={(DAY, D)}) == [Piece(DAY, D, D + DAY)]


def test_a_line_of_minutes_has_hours_only_where_the_minutes_are_gone() -> None:
    assert pieces_of(D, D + DAY, coarsest=MINUTE) == [Piece(MINUTE, D, D + DAY)]
    assert pieces_of(D, D + DAY, coarsest=HOUR) == [Piece(HOUR, D, D + DAY)]
    gone = {(HOUR, D), (HOUR, D + HOUR)}
    assert gone <= set(split_units(D, D + DAY, MINUTE))
    assert pieces_of(D, D + DAY, coarsest=MINUTE, gone=gone) == [
        Piece(HOUR, D, D + 2 * HOUR),
        Piece(MINUTE, D + 2 * HOUR, D + DAY),
    ]


def test_only_the_edges_are_split() -> None:
    assert split_units(D, D + 30 * DAY) == []
    begin, end = D + 30 * MINUTE, D + 30 * DAY + HOUR
    assert set(split_units(begin, end)) == {(HOUR, D), (DAY, D), (DAY, D + 30 * DAY)}


@given(st.randoms(use_true_random=False))
def test_every_minute_is_covered_once(chance: random.Random) -> None:
    begin = D + chance.randrange(2 * DAY) // MINUTE * MINUTE
    end = begin + chance.choice([HOUR, DAY, 5 * DAY]) * chance.randrange(1, 100) // 100 // MINUTE * MINUTE
    units: list[Unit] = [(period, unit) for period in FINER for unit in range(D, D + 8 * DAY, period)]
    marked = set(chance.sample(units, 20))
    pieces = pieces_of(begin, end, marked=marked)
    covered = [minute for piece in pieces for minute in range(piece.begin, piece.end, MINUTE)]
    assert covered == list(range(begin, end, MINUTE))
    read = {(piece.period, unit) for piece in pieces for unit in range(piece.begin, piece.end, piece.period)}
    assert not read & marked
    for longest, most in ((math.inf, 150), (math.inf, PORTION_WEIGHT), ((end - begin) / 8, PORTION_WEIGHT)):
        portions = portions_of(pieces, longest, most)
        assert [minute for portion in portions for piece in portion for minute in range(*piece[1:], MINUTE)] == covered
        for portion in portions:
            counts = [(piece.end - piece.begin) // piece.period for piece in portion]
            assert all(counts)
            assert weight_of(portion) <= most
            assert portion[-1].end - portion[0].begin <= longest or len(portion) == sum(counts) == 1
        most = chance.choice([most, 200])
        joined = joined_steps(portions, most)
        assert [step for steps in joined for step in steps] == portions
        assert all(sum(map(weight_of, steps)) <= most for steps in joined)
        firsts = [weight_of(steps[0]) for steps in joined]
        assert all(sum(map(weight_of, joined[i])) + firsts[i + 1] > most for i in range(len(joined) - 1))
