"""Late flips: their position in the chain of their target."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import MOMENT
from watcher.model.late_flips import Link, splice

if TYPE_CHECKING:
    from collections.abc import Sequence

STATES = {"U": "up", "D": "down", "?": "unknown", "G": "degraded"}
LETTERS = {word: letter for letter, word in STATES.items()}


def links(text: str, seed: int) -> list[Link]:
    """Return the chain of a text: at each minute a letter, where the state changes, or a dot."""
    found: list[Link] = []
    for minute, letter in enumerate(text):
        before = found[-1].state if found else "pending"
        if letter in STATES and STATES[letter] != before:
            at = MOMENT + timedelta(minutes=minute)
            found.append(Link(uuid.UUID(int=1000 * seed + minute), at, STATES[letter], before))
    return found


def spliced(history: Sequence[Link], late: Sequence[Link], until: float) -> list[Link]:
    """Return the chain with the late flips, as the table has it then."""
    found = splice("a", "default", history, late, MOMENT + timedelta(minutes=until))
    there = [replace(link, before=found.before.get(link.id, link.before)) for link in history]
    return sorted([*(link for link in there if link.id not in found.drop), *found.insert], key=lambda link: link.at)


def letters(chain: Sequence[Link], length: int) -> str:
    """Write a chain as a text again; flips between two minutes are at the later one."""
    text = ["."] * length
    for link in chain:
        text[min(-((MOMENT - link.at) // timedelta(minutes=1)), length - 1)] = LETTERS[link.state]
    return "".join(text)


@pytest.mark.parametrize(
    ("history", "late", "until", "expected"),
    [
        ("U.......", "..D.U...", 6, "U.D.U..."),
        ("U.......", "..D.....", 6, "U.D...U."),  # an end that was not seen is the end of the watch
        ("U.......", "......D.", 6, "U......."),  # by then another replica owned it
        ("U..?.U..", "..D.....", 4, "U.D?.U.."),
        ("U..D....", "..D.....", 4, "U..D...."),  # both have seen it
        ("U.....D.", "..D.....", 4, "U.....D."),
        ("U......D", "..D.....", 4, "U.D.U..D"),
        ("U..?..U.", "....D.U.", 8, "U..?D.U."),
        ("........", ".UD.....", 6, ".UD....."),  # no other replica contradicts it
        ("......U.", ".UD.....", 5, ".UD...U."),
        ("U..D....U", "..D..U...", 7, "U..D....U"),
    ],
)
def test_each_late_flip_has_its_place(history: str, late: str, until: float, expected: str) -> None:
    assert letters(spliced(links(history, 1), links(late, 2), until), len(history)) == expected


TEXTS = st.text("UD?G....", min_size=24, max_size=24)


def state_at(chain: Sequence[Link], minute: float) -> str | None:
    """Return the chain's state at a moment."""
    past = [link.state for link in chain if link.at <= MOMENT + timedelta(minutes=minute)]
    return past[-1] if past else None


@given(TEXTS, TEXTS, st.integers(1, 22), st.integers(0, 24))
def test_the_chain_stays_one_and_no_outage_is_lost(history: str, late: str, until: int, middle: int) -> None:
    before, coming = links(history, 1), links(late, 2)
    coming = [replace(link, at=link.at + timedelta(minutes=0.5)) for link in coming]
    chain = spliced(before, coming, until)
    assert all(later.before == former.state != later.state for former, later in pairwise(chain))
    assert all(former.at < later.at for former, later in pairwise(chain))
    assert {link.id for link in before} <= {link.id for link in chain}, "what was told stays"
    if before and before[0].at <= MOMENT + timedelta(minutes=until):
        moments = [*range(until, 25)]
        assert [state_at(chain, moment) for moment in moments] == [state_at(before, moment) for moment in moments]
    for link in coming:
        if link.state == "down" and link.at < MOMENT + timedelta(minutes=until):
            past = [one.state for one in chain if one.at <= link.at]
            following = [one.state for one in chain if one.at > link.at]
            assert "down" in (*past[-1:], *following[:1]), "it is there, or the other has seen it begin later"
    assert spliced(chain, coming, until) == chain, "storing again changes nothing"
    in_pieces = spliced(spliced(before, coming[:middle], until), coming[middle:], until)
    assert all(later.before == former.state != later.state for former, later in pairwise(in_pieces))
