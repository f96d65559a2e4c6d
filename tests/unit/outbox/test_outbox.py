"""The outbox: an appended entry stays until it is deleted, whatever happens to the process and the disk."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.outbox.full_disk import fill_up, numbers, small_files
from watcher.outbox import outbox as module
from watcher.outbox.bounds import DROPPED_AT_ONCE_ROWS, drop_oldest
from watcher.outbox.disk_reserve import RESERVE_BYTES
from watcher.outbox.errors import OutboxDamagedError, OutboxUnavailableError
from watcher.outbox.outbox import Entry, Outbox
from watcher.outbox.thread import OutboxThread

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYTHING = {"limit": 10**9, "max_bytes": 10**12}
MINUTE = 29_000_000
PAGE_BYTES = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with closing(Outbox(path)) as outbox:
        yield outbox


def fill(outbox: Outbox, *payloads: str, now: float = 1.0, kind: str = "failure") -> None:
    outbox.append([(kind, payload) for payload in payloads], now=now, minute=MINUTE)


def payloads(outbox: Outbox) -> list[str]:
    return [entry.payload for entry in outbox.peek(**EVERYTHING)]


def sums(outbox: Outbox) -> tuple[int, int]:
    """Return the outbox's counts, after asserting that they are true."""
    entries = outbox.peek(**EVERYTHING)
    assert outbox.rows == len(entries)
    assert outbox.payload_bytes == sum(len(entry.payload.encode()) for entry in entries)
    return outbox.rows, outbox.payload_bytes


def set_aside(path: Path) -> list[tuple[str, float, str, str]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT kind, at, error, payload FROM set_aside ORDER BY id").fetchall()


def test_entries_come_out_as_they_went_in_and_in_their_order(outbox: Outbox) -> None:
    fill(outbox, "a", "ü", now=1.5)
    fill(outbox, "c", now=2.5, kind="flip")
    entries = outbox.peek(**EVERYTHING)
    assert [(entry.kind, entry.created_at, entry.payload) for entry in entries] == [
        ("failure", 1.5, "a"),
        ("failure", 1.5, "ü"),
        ("flip", 2.5, "c"),
    ]
    assert [entry.id for entry in entries] == sorted({entry.id for entry in entries})
    assert sums(outbox) == (3, 4)


def test_a_look_takes_nothing_off(outbox: Outbox) -> None:
    fill(outbox, "a")
    assert outbox.peek(**EVERYTHING) == outbox.peek(**EVERYTHING)


def test_a_look_is_bounded_by_rows_and_by_bytes(outbox: Outbox) -> None:
    fill(outbox, *["12345"] * 10)
    assert len(outbox.peek(3, 10**12)) == 3
    assert len(outbox.peek(100, 11)) == 3
    assert len(outbox.peek(100, 1)) == 1, "what is larger than the bound must go too"


def test_deleted_entries_are_gone_and_the_rest_stays(outbox: Outbox) -> None:
    fill(outbox, "a", "bb", "ccc")
    first, second, _ = outbox.peek(**EVERYTHING)
    outbox.remove([second])
    assert payloads(outbox) == ["a", "ccc"]
    assert sums(outbox) == (2, 4)
    outbox.remove([first, second])
    assert payloads(outbox) == ["ccc"]
    assert sums(outbox) == (1, 3)
    outbox.remove([])
    assert sums(outbox) == (1, 3)


def test_no_id_is_used_twice(outbox: Outbox) -> None:
    fill(outbox, "a", "b")
    ids = [entry.id for entry in outbox.peek(**EVERYTHING)]
    outbox.remove(outbox.peek(**EVERYTHING))
    fill(outbox, "c")
    assert outbox.peek(**EVERYTHING)[0].id > max(ids)


def test_entries_appended_together_exist_all_or_none(outbox: Outbox) -> None:
    def failing() -> Iterator[tuple[str, str, str]]:
        yield "default", "Checkout", "up"
        raise KeyError("something went wrong on the way")

    with pytest.raises(KeyError):
        outbox.append([("failure", "a")], now=5.0, minute=MINUTE, measurements="[]", standings=failing())
    assert payloads(outbox) == []
    assert outbox.journal(MINUTE + 1) == []
    assert outbox.standings("default") == {}
    assert outbox.meta("alive_at") is None
    assert sums(outbox) == (0, 0)


def test_all_outlives_a_process_that_closes_nothing(path: Path, outbox: Outbox) -> None:
    standings = [("default", "Checkout", "up"), ("vienna", "Checkout", "down")]
    outbox.append([("failure", "a"), ("flip", "b")], now=5.0, minute=MINUTE, measurements="[1]", standings=standings)
    outbox.append([], now=6.0, minute=MINUTE, standings=[("default", "Checkout", "down")])
    first, _ = outbox.peek(**EVERYTHING)
    outbox.remove([first])
    with closing(Outbox(path)) as another:
        assert payloads(another) == ["b"]
        assert sums(another) == (1, 1)
        assert another.id == outbox.id
        assert [row[1:] for row in another.journal(MINUTE + 1)] == [(MINUTE, "[1]")]
        assert another.journal(MINUTE) == []
        assert another.standings("default") == {"Checkout": "down"}
        assert another.standings("vienna") == {"Checkout": "down"}
        assert another.standings("nowhere") == {}
        assert another.meta("alive_at") == 6.0
        assert another.meta("part") == outbox.meta("part")
        assert another.take_notices() == []


def test_standings_can_be_forgotten(outbox: Outbox) -> None:
    standings = [("default", name, "up") for name in "abc"] + [("vienna", "a", "up")]
    outbox.append([], now=1.0, minute=MINUTE, standings=standings)
    outbox.forget_standings("default", ["a", "c", "never there"])
    assert outbox.standings("default") == {"b": "up"}
    assert outbox.standings("vienna") == {"a": "up"}


def test_past_the_bound_of_bytes_the_oldest_go(outbox: Outbox) -> None:
    fill(outbox, *(f"{number:010}" for number in range(3000)))
    assert drop_oldest(outbox, max_bytes=30_000, created_before=0.0) == 0
    assert drop_oldest(outbox, max_bytes=5_005, created_before=0.0) == 2500
    assert payloads(outbox)[0] == "0000002500"
    assert sums(outbox) == (500, 5_000)


def test_past_the_bound_of_age_the_oldest_go(outbox: Outbox) -> None:
    for now in range(5):
        fill(outbox, f"at {now}", now=float(now))
    assert drop_oldest(outbox, max_bytes=10**6, created_before=3.0) == 3
    assert payloads(outbox) == ["at 3", "at 4"]
    assert drop_oldest(outbox, max_bytes=10**6, created_before=100.0) == 2
    assert sums(outbox) == (0, 0)
    assert drop_oldest(outbox, max_bytes=0, created_before=100.0) == 0


def test_all_old_entries_are_dropped_whatever_the_size_of_a_step(outbox: Outbox) -> None:
    fill(outbox, *["x"] * (1 + 2 * DROPPED_AT_ONCE_ROWS))
    assert drop_oldest(outbox, max_bytes=0, created_before=0.0) == 1 + 2 * DROPPED_AT_ONCE_ROWS


def test_refused_entries_are_set_aside_with_the_error(path: Path, outbox: Outbox) -> None:
    fill(outbox, "good", "bad", "better")
    outbox.set_aside(outbox.peek(**EVERYTHING)[1], "a value that it cannot hold", 7.0)
    assert payloads(outbox) == ["good", "better"]
    assert sums(outbox) == (2, 10)
    assert set_aside(path) == [("failure", 7.0, "a value that it cannot hold", "bad")]


def test_entries_dropped_meanwhile_are_not_counted_as_set_aside(outbox: Outbox) -> None:
    fill(outbox, "bad", "good")
    bad = outbox.peek(1, 1)[0]
    outbox.remove([bad])
    outbox.set_aside(bad, "refused", 7.0)
    assert sums(outbox) == (1, 4)


def test_refused_entries_are_bounded(path: Path, outbox: Outbox) -> None:
    more = 50
    with closing(sqlite3.connect(path)) as database:
        rows = [(number,) for number in range(module.MAX_SET_ASIDE_ROWS)]
        database.executemany(
            "INSERT INTO set_aside (kind, at, error, payload) VALUES ('failure', 0, '', 'old ' || ?)", rows
        )
        database.commit()
    fill(outbox, *(f"new {number}" for number in range(more)))
    for entry in outbox.peek(**EVERYTHING):
        outbox.set_aside(entry, "refused", 1.0)
    found = [row[3] for row in set_aside(path)]
    assert len(found) == module.MAX_SET_ASIDE_ROWS
    assert found[0] == f"old {more}"
    assert found[-1] == f"new {more - 1}"


def test_room_is_given_back_to_the_disk(path: Path, outbox: Outbox) -> None:
    fill(outbox, *["x" * 10_000] * 1000)
    outbox.remove(outbox.peek(**EVERYTHING))
    for _ in range(5):
        outbox.tidy()
    outbox.close()  # checkpoints the WAL
    assert path.stat().st_size < 20 * PAGE_BYTES


def test_room_is_held_in_reserve(path: Path, outbox: Outbox) -> None:
    reserve = path.with_suffix(".reserve")
    assert reserve.stat().st_size == RESERVE_BYTES
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES, "not a hole"
    reserve.unlink()
    outbox.tidy()
    assert reserve.exists()


# One step of a random life: an action and its size.
STEPS = st.tuples(
    st.sampled_from(["append", "remove", "some", "aside", "bound", "age", "roll", "reopen"]), st.integers(0, 9)
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=30))
def test_a_random_life_is_that_of_a_list(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.sqlite"
    outbox, model, now = Outbox(path), list[tuple[float, str]](), 0.0
    for number, (what, count) in enumerate(steps):
        now += 1.0
        entries = outbox.peek(**EVERYTHING)
        if what == "append":
            new = [f"{number} {'ä' * index}" for index in range(count)]
            fill(outbox, *new, now=now)
            model += [(now, text) for text in new]
        elif what == "remove":
            outbox.remove(entries[:count])
            del model[:count]
        elif what == "some":  # some of which are gone
            outbox.remove([*entries[count : count + 2], Entry(1, "failure", 0.0, "gone before")])
            del model[count : count + 2]
        elif what == "aside" and entries:
            index = count % len(entries)
            outbox.set_aside(entries[index], "refused", now)
            del model[index]
        elif what == "bound":
            drop_oldest(outbox, max_bytes=10 * count, created_before=0.0)
            while sum(len(text.encode()) for _, text in model) > 10 * count:
                del model[0]
        elif what == "age":
            drop_oldest(outbox, max_bytes=10**6, created_before=now - count)
            model = [pair for pair in model if pair[0] >= now - count]
        elif what == "roll":
            new = [f"rollup {number} {index}" for index in range(count)]
            outbox.roll_up([], new, now=now, closed_minute=number)
            model += [(now, text) for text in new]
        elif what == "reopen":
            outbox.close()
            outbox = Outbox(path)
        assert [(entry.created_at, entry.payload) for entry in outbox.peek(**EVERYTHING)] == model
        sums(outbox)
    outbox.close()


def damaged_files(folder: Path) -> list[str]:
    """Return the names of the files that were moved aside, without those beside them."""
    names = sorted(path.name for path in folder.iterdir() if ".damaged-" in path.name)
    return [name for name in names if not name.endswith(("-wal", "-shm"))]


def test_a_file_of_something_else_is_moved_aside_and_named(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(100_000))
    with closing(Outbox(path)) as outbox:
        fill(outbox, "a")
        assert payloads(outbox) == ["a"]
        [notice] = outbox.take_notices()
        assert outbox.take_notices() == []
    [name] = damaged_files(path.parent)
    assert str(path.with_name(name)) in notice
    assert path.with_name(name).read_bytes() == random.Random(1).randbytes(100_000)


def test_files_beside_a_damaged_one_are_moved_with_it(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).write_bytes(b"nothing of SQLite's" * 1000)
    with closing(Outbox(path)) as outbox:
        fill(outbox, "a")
        [notice] = outbox.take_notices()
    [name] = damaged_files(path.parent)
    assert name in notice
    assert path.with_name(f"{name}-wal").exists()
    assert path.with_name(f"{name}-shm").exists()
    with closing(Outbox(path)) as outbox:
        assert payloads(outbox) == ["a"], "nothing of the old file came in between"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.3, 0.9])
def test_a_file_that_was_cut_off_is_moved_aside_unless_it_is_empty(path: Path, share: float) -> None:
    with closing(Outbox(path)) as outbox:
        fill(outbox, *(f"{number} " + "x" * 3000 for number in range(100)))
    size = int(path.stat().st_size * share)
    os.truncate(path, size)
    with closing(Outbox(path)) as outbox:
        assert payloads(outbox) == []
        fill(outbox, "new")
        assert payloads(outbox) == ["new"]
        assert len(outbox.take_notices()) == (size > 0)
    assert len(damaged_files(path.parent)) == (size > 0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_flipped_in_a_file_the_next_start_works(path: Path, seed: int) -> None:
    """SQLite cannot notice damage inside a text; then all readable entries come out."""
    with closing(Outbox(path)) as outbox:
        fill(outbox, *(f"{number} " + "x" * 3000 for number in range(50)))
        outbox.append([], now=1.0, minute=MINUTE, measurements="[]", standings=[("default", "Checkout", "[]")])
    chance, content = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(40):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    with closing(Outbox(path)) as outbox:
        try:
            outbox.remove(outbox.peek(**EVERYTHING))
            outbox.standings("default")
        except OutboxDamagedError as error:
            outbox.start_anew(error)
        fill(outbox, "new")
        assert payloads(outbox)[-1] == "new"


@pytest.mark.parametrize(
    ("place", "there"),
    [
        (b"standing TEXT NOT NULL", b"stanting TEXT NOT NULL"),
        (b"created_at REAL", b"cre\xccted_at REAL"),
        (b"CREATE TABLE meta", b"CREATE TABL\xc5 meta"),
    ],
)
def test_a_file_that_knows_its_own_tables_no_more_is_damaged(path: Path, place: bytes, there: bytes) -> None:
    Outbox(path).close()
    content = path.read_bytes()
    assert place in content
    path.write_bytes(content.replace(place, there))
    with closing(Outbox(path)) as outbox:
        fill(outbox, "new")
        assert payloads(outbox) == ["new"]
        assert len(outbox.take_notices()) == 1
    assert len(damaged_files(path.parent)) == 1


def test_a_file_of_a_format_that_is_none_is_damaged(path: Path) -> None:
    Outbox(path).close()
    content = bytearray(path.read_bytes())
    content[47] = 77  # the number of the format of the schema
    path.write_bytes(content)
    with closing(Outbox(path)) as outbox:
        assert len(outbox.take_notices()) == 1


def test_a_file_with_an_invalid_id_is_damaged(path: Path) -> None:
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE meta SET value = 'no id' WHERE key = 'id'")
        database.commit()
    with closing(Outbox(path)) as outbox:
        assert len(outbox.take_notices()) == 1


def test_text_that_is_none_any_more_comes_out_as_it_can(path: Path, outbox: Outbox) -> None:
    fill(outbox, "good")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE entries SET payload = CAST(x'67ff6f64' AS TEXT)")
        database.commit()
    assert payloads(outbox) == ["g\N{REPLACEMENT CHARACTER}od"]


def spoil(path: Path) -> None:
    """Overwrite all but the first page with garbage, while another process has the file open."""
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(random.Random(1).randbytes(path.stat().st_size - PAGE_BYTES))


def a_large_file(path: Path) -> None:
    """Return an outbox that does not fit into SQLite's cache."""
    with closing(Outbox(path)) as outbox:
        fill(outbox, *(f"{number} " + "x" * 30_000 for number in range(200)))


async def test_damage_found_later_is_reported_and_a_new_file_started(path: Path) -> None:
    a_large_file(path)
    outbox = Outbox(path)
    old_ids = {entry.id for entry in outbox.peek(**EVERYTHING)}
    old_id, disk = outbox.id, OutboxThread(outbox)
    spoil(path)
    with pytest.raises(OutboxUnavailableError, match="damaged"):
        await disk.run(lambda outbox: outbox.peek(**EVERYTHING))
    await disk.run(lambda outbox: fill(outbox, "new"))
    entries = await disk.run(lambda outbox: outbox.peek(**EVERYTHING))
    assert [entry.payload for entry in entries] == ["new"]
    assert min(entry.id for entry in entries) > max(old_ids), "one in flight could be taken for a new one"
    assert outbox.id != old_id
    assert sums(outbox) == (1, 3)
    assert len(damaged_files(path.parent)) == 1
    await disk.run(Outbox.close)


def test_entries_in_flight_at_the_damage_delete_nothing_from_the_new_file(path: Path) -> None:
    a_large_file(path)
    with closing(Outbox(path)) as outbox:
        in_flight = outbox.peek(10, 10**12)
        outbox.start_anew(OutboxDamagedError("for the test"))
        fill(outbox, "new")
        outbox.remove(in_flight)
        assert payloads(outbox) == ["new"]
        assert sums(outbox) == (1, 3)


def test_where_no_new_file_can_be_made_now_it_is_made_later(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(Outbox(folder / "outbox.sqlite")) as outbox:
        fill(outbox, "old")
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(OutboxUnavailableError):
            outbox.start_anew(OutboxDamagedError("for the test"))
        for _ in range(2):
            with pytest.raises(OutboxUnavailableError):
                fill(outbox, "lost")
        folder.mkdir()
        fill(outbox, "new")
        assert payloads(outbox) == ["new"]
        assert sums(outbox) == (1, 3)


def test_a_file_that_cannot_grow_loses_nothing_and_recovers(outbox: Outbox, path: Path) -> None:
    reserve = path.with_suffix(".reserve")
    with small_files(RESERVE_BYTES):
        appended = fill_up(outbox)
        assert not reserve.exists(), "the reserve was to be freed"
        assert numbers(outbox) == list(range(appended)), "all or nothing"
        assert outbox.rows == appended
        for _ in range(100):  # the rest of the disk is for deletions
            with pytest.raises(OutboxUnavailableError):
                fill(outbox, "one more")
    while entries := outbox.peek(100, 10**12):
        outbox.remove(entries)
    fill(outbox, "0 after")
    outbox.tidy()
    assert reserve.stat().st_size == RESERVE_BYTES
    assert numbers(outbox) == [0]


def test_a_folder_in_which_no_file_can_be_made_is_unavailable() -> None:
    with pytest.raises(OutboxUnavailableError, match="unable to open database file"):
        Outbox(Path("/proc/self/outbox.sqlite"))  # where not even root can create files
