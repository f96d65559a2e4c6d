"""The file of the outbox when others touch it: a file that is deleted or replaced while in use is restored."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.unit.outbox.full_disk import small_files
from watcher.outbox.errors import OutboxUnavailableError
from watcher.outbox.file import MAX_HELD_WAL_BYTES
from watcher.outbox.outbox import Outbox
from watcher.outbox.thread import OutboxThread

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 29_000_000
ALL, MAIN, BESIDE = ("", "-wal", "-shm"), ("",), ("-wal", "-shm")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def fill(outbox: Outbox, *payloads: str) -> None:
    standings = [("default", payload, "up") for payload in payloads]
    outbox.append(
        [("failure", payload) for payload in payloads], now=1.0, minute=MINUTE, measurements="[]", standings=standings
    )


def payloads(outbox: Outbox) -> list[str]:
    return [entry.payload for entry in outbox.peek(10**6, 10**12)]


def delete(path: Path, suffixes: tuple[str, ...] = ALL) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()


def an_outbox_put_in_place(path: Path) -> None:
    """Act as somebody who restores a backup while the daemon runs."""
    other = path.with_name("other.sqlite")
    with closing(Outbox(other)) as outbox:
        fill(outbox, "of another")
    other.with_suffix(".reserve").unlink()
    other.rename(path)


def names(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()}


@pytest.mark.parametrize("suffixes", [ALL, MAIN, BESIDE, ("-wal",), ("-shm",), ("", "-wal")])
def test_a_file_deleted_while_in_use_is_rewritten_with_all_waiting_entries(
    path: Path, suffixes: tuple[str, ...]
) -> None:
    outbox = Outbox(path)
    fill(outbox, "a", "b")
    identity, before = outbox.id, outbox.peek(10, 10**6)
    delete(path, suffixes)
    fill(outbox, "c")
    [notice] = outbox.take_notices()
    assert "deleted or replaced" in notice
    assert "with 2 waiting entries" in notice
    # As the next start finds it after a `kill -9`: nothing is closed.
    with closing(Outbox(path)) as another:
        assert payloads(another) == ["a", "b", "c"]
        assert another.id == identity, "to the database it is the same one"
        assert another.peek(2, 10**6) == before, "what is being stored can be taken off"
        assert another.standings("default") == dict.fromkeys("abc", "up")
        assert len(another.journal(MINUTE + 1)) == 2
        assert another.take_notices() == []
    outbox.remove(before)
    fill(outbox, "d")
    assert payloads(outbox) == ["c", "d"]
    assert outbox.rows == 2
    assert outbox.take_notices() == [], "once"
    outbox.close()
    assert names(path) == {"outbox.sqlite", "outbox.reserve"}


@pytest.mark.parametrize("suffixes", [ALL, BESIDE])
async def test_a_file_deleted_in_the_last_moment_exists_at_the_next_start(
    path: Path, suffixes: tuple[str, ...]
) -> None:
    disk = OutboxThread(Outbox(path))
    await disk.run(lambda outbox: fill(outbox, "a"))
    delete(path, suffixes)
    with capture_logs() as logs:
        await disk.run(Outbox.close)
    [line] = logs
    assert (line["log_level"], "deleted or replaced" in line["event"]) == ("error", True)
    with closing(Outbox(path)) as outbox:
        assert payloads(outbox) == ["a"]


@pytest.mark.parametrize("suffixes", [ALL, MAIN])
def test_another_file_in_its_place_is_moved_aside_and_named(path: Path, suffixes: tuple[str, ...]) -> None:
    with closing(Outbox(path)) as outbox:
        fill(outbox, "a")
        delete(path, suffixes)
        an_outbox_put_in_place(path)
        fill(outbox, "b")
        assert payloads(outbox) == ["a", "b"]
        [notice] = outbox.take_notices()
    [name] = [name for name in names(path) if ".replaced-" in name]
    assert str(path.with_name(name)) in notice
    with closing(Outbox(path)) as outbox:
        assert payloads(outbox) == ["a", "b"]
    with closing(Outbox(path.with_name(name))) as outbox:
        assert payloads(outbox) == ["of another"]


def test_where_it_cannot_be_written_anew_nothing_is_taken_in_and_all_can_be_taken_off(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(Outbox(folder / "outbox.sqlite")) as outbox:
        fill(outbox, "a", "b")
        folder.rename(tmp_path / "elsewhere")
        for _ in range(2):
            with pytest.raises(OutboxUnavailableError, match="deleted, and cannot be restored"):
                fill(outbox, "told to be safe")
        outbox.remove(outbox.peek(1, 1))
        assert payloads(outbox) == ["b"]
        folder.mkdir()
        fill(outbox, "c")
        assert payloads(outbox) == ["b", "c"]
        assert outbox.rows == 2


def test_without_room_the_file_is_rewritten_as_soon_as_there_is(path: Path) -> None:
    with closing(Outbox(path)) as outbox:
        fill(outbox, "a", "b")
        delete(path)
        with small_files(4096):
            for _ in range(2):
                with pytest.raises(OutboxUnavailableError, match="cannot be restored"):
                    fill(outbox, "in vain")
                assert payloads(outbox) == ["a", "b"]
        fill(outbox, "c")
        assert len(outbox.take_notices()) == 1
        with closing(Outbox(path)) as again:
            assert payloads(again) == ["a", "b", "c"]


def test_permanent_losses_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    outbox = Outbox(folder / "outbox.sqlite")
    fill(outbox, "a")
    folder.rename(tmp_path / "elsewhere")
    outbox.close()
    [notice] = outbox.take_notices()
    assert "the outbox is lost" in notice
    outbox.close()
    assert outbox.take_notices() == []


def test_harmless_operations_on_the_file_are_not_deletions(path: Path) -> None:
    with closing(Outbox(path)) as outbox:
        for number in range(3):
            fill(outbox, "x" * 100_000)
            with closing(sqlite3.connect(path)) as reader:
                assert reader.execute("SELECT count(*) FROM entries").fetchone() == (number + 1,)
                reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(":memory:")) as target:
                source.backup(target)
            outbox.tidy()
        fill(outbox, "last")
        assert outbox.take_notices() == []


@pytest.mark.slow
def test_a_reader_who_stays_makes_the_file_beside_grow_to_its_bound_only(path: Path) -> None:
    wal, text = path.with_name(path.name + "-wal"), "x" * 4_000_000
    with closing(Outbox(path)) as outbox, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        fill(outbox, "seen")
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM entries").fetchone() == (1,)
        for _ in range(20):
            fill(outbox, text)
            assert wal.stat().st_size < MAX_HELD_WAL_BYTES + 2 * len(text)
        assert reader.execute("SELECT count(*) FROM entries").fetchone() == (1,)
        [notice] = outbox.take_notices()
        assert "held open by a reader" in notice
    with closing(Outbox(path)) as again:
        assert payloads(again) == ["seen", *[text] * 20]
