"""Chooses the rollups (minutes, hours, days) that cover a window of time; pure.

Whole days come from days, the remaining whole hours from hours, and the edges from minutes. An hour or a day is
marked while it differs from its minutes; then the minutes are read instead. Times are whole seconds since 1970; a day
in UTC is a multiple of 86,400.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

MINUTE = 60
HOUR = 3600
DAY = 86_400
FINER = {DAY: HOUR, HOUR: MINUTE}

# The approximate amount to add up in the rollups of each period, and the limit of a portion: a server groups so much of
# all targets in some 80 MB. With few targets a portion may have more.
WEIGHTS = {MINUTE: 1, HOUR: 2, DAY: 3}
PORTION_WEIGHT, MOST_PORTION_WEIGHT = 60, 240
PORTION_WEIGHT_OF_ALL = 3_500_000

Unit = tuple[int, int]  # a period and its start


class Piece(NamedTuple):
    """The rollups of a period that start in [begin, end)."""

    period: int
    begin: int
    end: int


def pieces_of(
    begin: int, end: int, *, marked: Set[Unit] = frozenset(), gone: Set[Unit] = frozenset(), coarsest: int = DAY
) -> list[Piece]:
    """Cover a window with rollups, counting none twice.

    Args:
        begin, end: the window, rounded to minutes by the caller.
        marked: the hours and days that must not be read.
        gone: the hours and days whose finer rollups no longer exist: read even if only partly in the window.
        coarsest: the longest period to read, unless something finer is gone.
    """
    pieces: list[Piece] = []
    for piece in _cover(DAY, begin, end, marked, gone, coarsest):
        if pieces and pieces[-1].period == piece.period and pieces[-1].end == piece.begin:
            pieces[-1] = pieces[-1]._replace(end=piece.end)
        else:
            pieces.append(piece)
    return pieces


def split_units(begin: int, end: int, coarsest: int = DAY) -> list[Unit]:
    """List the hours and days that are only partly in a window; the caller must look which of them are gone."""
    return [
        (period, unit)
        for period in FINER
        for unit in range(begin // period * period, end, period)
        if period > coarsest or unit < begin or unit + period > end
    ]


def _cover(period: int, begin: int, end: int, marked: Set[Unit], gone: Set[Unit], coarsest: int) -> Iterator[Piece]:
    if period == MINUTE:
        yield Piece(MINUTE, begin, end)
        return
    for unit in range(begin // period * period, end, period):
        first, last = max(unit, begin), min(unit + period, end)
        whole = (first, last) == (unit, unit + period) and period <= coarsest
        if (whole or (period, unit) in gone) and (period, unit) not in marked:
            yield Piece(period, unit, unit + period)
        else:
            yield from _cover(FINER[period], first, last, marked, gone, coarsest)


def portion_weight_for(targets: int) -> int:
    """Return the largest weight of a portion of so many targets that a server can group in memory."""
    return min(max(PORTION_WEIGHT, PORTION_WEIGHT_OF_ALL // max(targets, 1)), MOST_PORTION_WEIGHT)


def portions_of(
    pieces: list[Piece], longest_seconds: float = math.inf, most: int = PORTION_WEIGHT
) -> list[list[Piece]]:
    """Split pieces into portions.

    Args:
        pieces: in the order of time.
        longest_seconds: no portion is longer, unless a single rollup is.
        most: see `portion_weight_for`.

    Returns:
        portions in the order of time, none of which weighs more than `most`.
    """
    portions: list[list[Piece]] = []
    weight, latest_end = most, -math.inf
    for period, begin, end in pieces:
        begins_at, weighs = begin, WEIGHTS[period]
        while begins_at < end:
            if weight + weighs > most or begins_at + period > latest_end:
                portions.append([])
                weight, latest_end = 0, begins_at + max(longest_seconds, period)
            left = (min(latest_end, end) - begins_at) // period
            many = int(min(left, (most - weight) // weighs))
            portions[-1].append(Piece(period, begins_at, begins_at + many * period))
            weight += many * weighs
            begins_at += many * period
    return portions


def joined_steps(steps: list[list[Piece]], most: int = PORTION_WEIGHT) -> list[list[list[Piece]]]:
    """Join portions of a window again.

    Args:
        steps: from `portions_of`.
        most: see `portion_weight_for`.

    Returns:
        portions with their steps, none of which weighs more than `most`.
    """
    portions: list[list[list[Piece]]] = []
    weight = most
    for step in steps:
        weighs = sum((piece.end - piece.begin) // piece.period * WEIGHTS[piece.period] for piece in step)
        if weight + weighs > most:
            portions.append([])
            weight = 0
        portions[-1].append(step)
        weight += weighs
    return portions
