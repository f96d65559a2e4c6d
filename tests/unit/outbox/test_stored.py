"""Stored entries: they no longer wait, are kept for a while, and wait again if the database lost them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.doubles import MOMENT
from watcher.model.state import Flip, State
from watcher.outbox.bounds import drop_oldest
from watcher.outbox.flip_door import record_flips
from watcher.outbox.outbox import Entry, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = MOMENT.timestamp()


class Steady:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def steady() -> Steady:
    return Steady()


@pytest.fixture
def outbox(path: Path, steady: Steady) -> Iterator[Outbox]:
    with closing(Outbox(path, steady)) as outbox:
        yield outbox


def waiting(outbox: Outbox) -> list[Entry]:
    """Return what waits, after asserting that the outbox's count is right."""
    entries = outbox.peek(10**6, 10**9)
    assert (outbox.rows, outbox.payload_bytes) == (len(entries), sum(entry.size_bytes for entry in entries))
    return entries


def payloads(outbox: Outbox) -> list[str]:
    return [entry.payload for entry in waiting(outbox)]


def in_the_file(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (rows,) = database.execute("SELECT (SELECT count(*) FROM entries) + count(*) FROM stored").fetchone()
        return int(rows)


def fill(outbox: Outbox, *payloads: str) -> list[Entry]:
    outbox.append([("failure", payload) for payload in payloads], now=NOW, minute=0)
    return waiting(outbox)


def test_stored_entries_no_longer_wait_and_are_deleted_in_time(outbox: Outbox, path: Path, steady: Steady) -> None:
    outbox.mark_stored(fill(outbox, "a", "bb")[:1])
    assert payloads(outbox) == ["bb"]
    steady.seconds += 40
    outbox.mark_stored(waiting(outbox))
    assert (payloads(outbox), outbox.kept_bytes, in_the_file(path)) == ([], 3, 2)
    steady.seconds += 20
    outbox.forget_stored(60)
    assert (outbox.kept_bytes, in_the_file(path)) == (2, 1)
    outbox.forget_stored(0)
    assert (outbox.kept_bytes, in_the_file(path)) == (0, 0)


def test_stored_entries_are_deleted_before_waiting_ones_are_dropped(outbox: Outbox, path: Path) -> None:
    outbox.mark_stored(fill(outbox, "1234567"))
    outbox.mark_stored(fill(outbox, "12345"))
    fill(outbox, "123")
    assert drop_oldest(outbox, max_bytes=8, created_before=0) == 0
    assert (payloads(outbox), outbox.kept_bytes, in_the_file(path)) == (["123"], 5, 2)
    assert drop_oldest(outbox, max_bytes=2, created_before=0) == 1
    assert (payloads(outbox), outbox.kept_bytes, in_the_file(path)) == ([], 0, 0)


def test_entries_lost_by_the_database_wait_again_in_order_also_across_a_restart(outbox: Outbox, path: Path) -> None:
    entries = fill(outbox, "a", "b", "c")
    outbox.mark_stored(entries)
    fill(outbox, "d")
    assert outbox.send_again(entries[2].id, NOW) == 0
    assert payloads(outbox) == ["d"]
    outbox.close()
    with closing(Outbox(path)) as outbox:
        assert (payloads(outbox), outbox.kept_bytes) == (["d"], 3)
        assert outbox.send_again(entries[0].id, NOW) == 2
        assert (payloads(outbox), outbox.kept_bytes) == (["b", "c", "d"], 1)
        outbox.mark_stored(waiting(outbox))
        assert outbox.send_again(0, NOW) == 4
        assert payloads(outbox) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("value", ["-1", "9e18", "9000000000000000000", "'no number'", "NULL"])
def test_a_loss_is_noticed_even_if_the_record_of_stored_entries_is_damaged(
    outbox: Outbox, path: Path, value: str
) -> None:
    outbox.mark_stored(fill(outbox, "a"))
    outbox.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE meta SET value = {value} WHERE key = 'stored_until'")
        database.commit()
    with closing(Outbox(path)) as outbox:
        assert payloads(outbox) == []
        assert outbox.send_again(0, NOW) == 1
        assert payloads(outbox) == ["a"]


def test_with_it_comes_the_newest_flip_of_each_target_that_is_known(outbox: Outbox) -> None:
    def flip(target: str, number: int | None) -> Flip:
        return Flip(target, "default", MOMENT, MOMENT, State.DOWN, State.UP, number=number)

    record_flips(outbox, [flip("a", 1), flip("b", 4), flip("a", 2), flip("a", None), flip("gone", 1)], now=NOW)
    flips = payloads(outbox)
    outbox.forget_standings("default", ["gone"])
    outbox.mark_stored(waiting(outbox))
    outbox.forget_stored(0)
    assert outbox.send_again(0, NOW) == 2
    assert payloads(outbox) == [flips[2], flips[1]]


def test_entries_that_were_dropped_while_they_were_stored_are_counted_once(outbox: Outbox) -> None:
    entries = fill(outbox, "a", "b", "c")
    outbox.remove(entries[:1])
    outbox.mark_stored(entries[:2])
    assert payloads(outbox) == ["c"]
