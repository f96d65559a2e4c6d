"""The start: the outbox's knowledge becomes each target's state, and changes are recorded in it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.doubles import MOMENT, a_target
from watcher.model.state import Sighting, Standing, State
from watcher.outbox.encoding import decode_standing, encode_standing
from watcher.outbox.outbox import Outbox
from watcher.outbox.startup import FORGET_SECONDS, resume_from

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STOPPED = MOMENT.timestamp()
NOW = STOPPED + 3600
UP = Standing(State.UP, MOMENT, State.UP, (Sighting(State.DOWN, MOMENT),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with closing(Outbox(path)) as outbox:
        standings = [("default", name, encode_standing(UP)) for name in ("Checkout", "Old")]
        outbox.append([], now=STOPPED, minute=0, standings=standings)
        yield outbox


def flips(outbox: Outbox) -> list[tuple[object, ...]]:
    """Return the target, the time and the state of each flip."""
    rows = [json.loads(entry.payload) for entry in outbox.peek(100, 10**6)]
    return [(row["target"], datetime.fromisoformat(row["at"]), row["state"]) for row in rows]


def test_the_gap_is_recorded_and_earlier_results_still_count(outbox: Outbox) -> None:
    standings = resume_from(outbox, [a_target()], "default", NOW)
    checkout = standings["Checkout"]
    assert (checkout.state, checkout.before, checkout.unconfirmed) == (State.UNKNOWN, State.UP, UP.unconfirmed)
    known = {name: decode_standing(text) for name, text in outbox.standings("default").items()}
    assert known["Checkout"] == checkout
    assert known["Old"].state is State.PAUSED
    assert [(name, state) for name, _, state in flips(outbox)] == [("Checkout", "unknown"), ("Old", "paused")]
    assert outbox.meta("alive_at") == NOW


def test_the_next_start_adds_nothing(outbox: Outbox) -> None:
    first = resume_from(outbox, [a_target()], "default", NOW)
    assert resume_from(outbox, [a_target()], "default", NOW + 10)["Checkout"].state is first["Checkout"].state
    assert len(flips(outbox)) == 2


def test_another_location_has_another_past(outbox: Outbox) -> None:
    assert resume_from(outbox, [a_target()], "vienna", NOW) == {}
    assert set(outbox.standings("default")) == {"Checkout", "Old"}


def test_leaving_a_location_pauses_all_its_targets(outbox: Outbox) -> None:
    resume_from(outbox, [a_target(), a_target("Old")], "default", NOW)
    resume_from(outbox, [a_target()], "vienna", NOW + 60)
    assert [(name, state) for name, _, state in flips(outbox)][-2:] == [("Checkout", "paused"), ("Old", "paused")]
    back = resume_from(outbox, [a_target()], "default", NOW + 3600)
    assert (back["Checkout"].state, back["Checkout"].before) == (State.UNKNOWN, State.UP)


def test_removed_targets_are_known_for_a_while(outbox: Outbox) -> None:
    resume_from(outbox, [], "default", NOW)
    resume_from(outbox, [], "default", NOW + FORGET_SECONDS - 3700)
    assert set(outbox.standings("default")) == {"Checkout", "Old"}
    resume_from(outbox, [a_target()], "default", NOW + FORGET_SECONDS + 3600)
    assert set(outbox.standings("default")) == {"Checkout"}
    assert [(name, state) for name, _, state in flips(outbox)] == [
        ("Checkout", "paused"),
        ("Old", "paused"),
        ("Checkout", "unknown"),
    ]


def test_an_empty_outbox_knows_nothing(path: Path) -> None:
    with closing(Outbox(path)) as outbox:
        assert resume_from(outbox, [a_target()], "default", NOW) == {}
        assert outbox.rows == 0


@pytest.mark.parametrize("value", ["-1e300", "1e300", "'no number'", "NULL"])
def test_a_time_that_makes_no_sense_is_not_taken(path: Path, outbox: Outbox, value: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE meta SET value = {value} WHERE key = 'alive_at'")
        database.commit()
    resume_from(outbox, [a_target()], "default", NOW)
    assert flips(outbox)[0] == ("Checkout", datetime.fromtimestamp(NOW, UTC), "unknown")


@pytest.mark.parametrize(
    "text", ["no JSON", "7", "[]", '["sideways", null, "up", []]', '["up", "yesterday", "up", []]']
)
def test_an_unreadable_standing_is_replaced_by_a_new_one(text: str) -> None:
    assert decode_standing(text) == Standing()


def test_a_standing_comes_out_as_it_went_in() -> None:
    assert decode_standing(encode_standing(UP)) == UP
    assert decode_standing(encode_standing(Standing())) == Standing()
    assert decode_standing(encode_standing(replace(UP, flips=7))).flips == 7
    assert decode_standing('["down", null, "down", []]') == Standing(
        State.DOWN, before=State.DOWN
    )  # of former versions
