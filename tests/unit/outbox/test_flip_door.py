"""The only writer of flips: no other code writes them, and flips that arrive together are recorded together."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.doubles import MOMENT
from watcher.model.state import Flip, State
from watcher.outbox.flip_door import MAX_AT_ONCE, record_ended, record_flips
from watcher.outbox.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

WATCHER = Path(__file__).resolve().parents[3] / "watcher"
NOW = MOMENT.timestamp()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path / "outbox.sqlite")) as outbox:
        yield outbox


def a_flip(target: str) -> Flip:
    return Flip(target, "default", MOMENT, MOMENT, State.UNKNOWN, State.UP)


@pytest.mark.parametrize(
    ("word", "files"),
    [
        ("encode_flip", {"outbox/encoding.py", "outbox/flip_door.py"}),
        ("INTO flips", {"postgres/tables/flips.py"}),
    ],
)
def test_only_one_module_records_flips(word: str, files: set[str]) -> None:
    assert {path.relative_to(WATCHER).as_posix() for path in WATCHER.rglob("*.py") if word in path.read_text()} == files


def test_related_entries_are_recorded_together_flips_first(outbox: Outbox) -> None:
    standings = [("default", "a", "[]")]
    record_flips(outbox, [a_flip("a")], now=NOW, beside=[("failure", "{}")], standings=standings)
    assert [entry.kind for entry in outbox.peek(10, 10**6)] == ["flip", "failure"]
    assert outbox.standings("default") == {"a": "[]"}


def test_ends_are_recorded_in_order_with_the_same_ids_each_time(outbox: Outbox) -> None:
    names = [f"{number}" for number in range(2 * MAX_AT_ONCE + 1)]
    for _ in range(2):
        record_ended(outbox, [a_flip(name) for name in names], NOW)
    rows = [json.loads(entry.payload) for entry in outbox.peek(10**6, 10**9)]
    assert [row["target"] for row in rows] == 2 * names
    assert len({row["id"] for row in rows}) == len(names)
    assert outbox.standings("default") == {}
