"""From the outbox to the tables of a real database: they have what happened, each thing once."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import methodcaller
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trio
from structlog.testing import capture_logs

from tests.doubles import MOMENT, a_failure, a_target, an_outcome
from tests.pipeline import NOW, Pipeline, a_registration, nothing_ended, open_pipeline
from watcher.history.rollup import measurement_of, roll_up, rollup_rows
from watcher.model.outcome import Fault, Reason
from watcher.model.resumption import NOT_WATCHED, TAKEN_OUT
from watcher.model.state import Flip, State
from watcher.outbox.encoding import encode_failure, encode_flip
from watcher.outbox.flip_door import record_ended
from watcher.outbox.outbox import Entry
from watcher.postgres.db import open_database
from watcher.postgres.errors import DatabaseRefusedError, DatabaseUnavailableError
from watcher.postgres.store import TableStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watcher.postgres.db import Database

pytestmark = pytest.mark.usefixtures("bridge")

HOUR = timedelta(hours=1)
DOWN = Flip(
    "Checkout", "default", MOMENT, MOMENT, State.DOWN, State.UP, Fault(Reason.TIMEOUT, "no answer"), uuid.UUID(int=7)
)
UP = Flip("Checkout", "default", MOMENT - HOUR, MOMENT - HOUR, State.UP, State.PENDING)

# As an earlier version wrote a failure, with this in a header's value.
FORMER = (
    '["0198a209-c75f-8488-b0bd-7d391cd00c75", "a", "b", "c", "2026-11-23T15:20:55+00:00", "2026-11-23T15:20:55+00:00",'
    ' 1.0, "status", "d", 503, "{}", null, "{\\"via\\": \\"%s\\"}"]'
)


@pytest.fixture
def pipeline(tmp_path: Path, test_db: Database) -> Iterator[Pipeline]:
    with open_pipeline(tmp_path, test_db, a_target()) as pipeline, capture_logs():
        yield pipeline


def rollups(*names: str, part: int = 1) -> str:
    """Return the entry of a minute in which each of some targets was checked once."""
    measured = [measurement_of(an_outcome(name)) for name in names]
    return json.dumps(rollup_rows(roll_up(measured), MOMENT.replace(second=0, microsecond=0), part))


async def states(database: Database) -> dict[str, dict[str, Any]]:
    return {row["target"]: row for row in await database.fetch("SELECT * FROM states")}


async def count(database: Database, table: str) -> int:
    [row] = await database.fetch(f"SELECT count(*) AS rows FROM {table}")
    return int(row["rows"])


@pytest.mark.smoke
async def test_everything_waiting_is_stored(pipeline: Pipeline, test_db: Database) -> None:
    await pipeline.put(a_failure(f"site {number % 7}", at=MOMENT + timedelta(seconds=number)) for number in range(1200))
    await pipeline.put_raw(("rollups", rollups("a", "b")))
    await pipeline.drain_all()
    assert pipeline.outbox.rows == 0
    assert await count(test_db, "failures") == 1200
    assert await count(test_db, "rollups") == 2
    assert await count(test_db, "rollup_work") == 2


async def test_an_entry_stored_twice_exists_once(pipeline: Pipeline, test_db: Database) -> None:
    for _ in range(2):
        await pipeline.put([a_failure()], [UP, DOWN])
        await pipeline.put_raw(("rollups", rollups("a", "b")), ("rollups", rollups("a", part=2)))
        await pipeline.drain_all()
    assert pipeline.outbox.rows == 0
    assert await count(test_db, "failures") == 1
    assert await count(test_db, "flips") == 2
    assert await count(test_db, "rollups") == 3


async def test_an_entry_twice_in_one_batch_exists_once(pipeline: Pipeline, test_db: Database) -> None:
    await pipeline.put([a_failure(), a_failure()], [UP, UP])
    await pipeline.put_raw(("rollups", rollups("a")), ("rollups", rollups("a")))
    await pipeline.drain_all()
    assert pipeline.outbox.rows == 0
    assert [await count(test_db, table) for table in ("failures", "flips", "rollups")] == [1, 1, 1]


@pytest.mark.smoke
async def test_a_failure_comes_out_as_it_went_in(pipeline: Pipeline, test_db: Database) -> None:
    failure = a_failure(excerpt="<h1>sorry</h1>", headers=(("server", 'a "quoted" word'), ("via", "x\\y")))
    await pipeline.put([failure])
    await pipeline.drain_all()
    [row] = await test_db.failures()
    assert row["id"] == failure.check_id
    assert (row["scheduled_at"], row["started_at"]) == (MOMENT, MOMENT)
    assert row["excerpt"] == "<h1>sorry</h1>"
    assert row["headers"] == dict(failure.headers)
    assert row["phases_ms"] == failure.phases.as_milliseconds()


async def test_poison_text_is_stored_as_it_can_be(pipeline: Pipeline, test_db: Database) -> None:
    poison = "NUL \0, lone surrogate \ud800, ESC \x1b, "
    await pipeline.put([a_failure(poison, address=poison, excerpt=poison + "x" * 1_000_000)])
    await pipeline.drain_all()
    [row] = await test_db.failures()
    assert row["address"] == row["target"] == r"NUL \x00, lone surrogate \ud800, ESC \x1b, "
    assert row["excerpt"].startswith(row["address"] + "xxx")
    assert len(row["excerpt"]) <= 32_000


async def test_flips_are_history_and_the_newest_is_the_state_of_the_target(
    pipeline: Pipeline, test_db: Database
) -> None:
    await pipeline.put(flips=[UP, DOWN])
    await pipeline.drain_all()
    first, second = await test_db.fetch("SELECT * FROM flips ORDER BY at")
    assert second == {
        "id": DOWN.flip_id,
        "target": "Checkout",
        "location": "default",
        "at": MOMENT,
        "confirmed_at": MOMENT,
        "state": "down",
        "before": "up",
        "reason": "timeout",
        "detail": "no answer",
        "check_id": uuid.UUID(int=7),
        "number": None,
    }
    assert (first["reason"], first["detail"], first["check_id"]) == (None, None, None)
    present = (await states(test_db))["Checkout"]
    assert (present["state"], present["since"], present["reason"]) == ("down", MOMENT, "timeout")
    assert present["watched"] is True
    assert present["address"] == "http://127.0.0.1:1/"


async def test_an_older_late_flip_does_not_change_the_state(pipeline: Pipeline, test_db: Database) -> None:
    await pipeline.put(flips=[DOWN])
    await pipeline.drain_all()
    await pipeline.put(flips=[UP])
    await pipeline.drain_all()
    assert (await states(test_db))["Checkout"]["state"] == "down"
    assert await count(test_db, "flips") == 2


async def test_of_flips_that_a_clock_has_dated_wrongly_the_one_with_the_highest_number_holds(
    pipeline: Pipeline, test_db: Database
) -> None:
    await pipeline.put(flips=[UP])
    await pipeline.drain_all()  # as by a version that did not count
    counted = [replace(DOWN, number=7), replace(DOWN, at=MOMENT - HOUR, state=State.UP, before=State.DOWN, number=8)]
    for flips in ([counted], [[counted[0]], [counted[1]]]):  # in one batch, and in two
        await test_db.fetch("UPDATE states SET state = 'up', since = $1, flips = NULL", MOMENT - 2 * HOUR)
        for batch in flips:
            await pipeline.put(flips=batch)
            await pipeline.drain_all()
        present = (await states(test_db))["Checkout"]
        assert (present["state"], present["since"], present["flips"]) == ("up", MOMENT - HOUR, 8)
    assert await count(test_db, "flips") == 3  # the same ids, though the first one has the time of another


async def test_a_flip_of_an_unregistered_target_is_stored(pipeline: Pipeline, test_db: Database) -> None:
    await pipeline.put(flips=[replace(DOWN, target="Old", state=State.PAUSED, cause=TAKEN_OUT)])
    await pipeline.drain_all()
    old = (await states(test_db))["Old"]
    assert (old["state"], old["watched"]) == ("paused", False)


async def test_locations_do_not_mix(pipeline: Pipeline, test_db: Database) -> None:
    await pipeline.put(flips=[UP, replace(DOWN, location="vienna")])
    await pipeline.drain_all()
    rows = await test_db.fetch("SELECT location, state FROM states")
    assert {(row["location"], row["state"]) for row in rows} == {("default", "up"), ("vienna", "down")}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("failure", "no JSON"),
        ("failure", "[1, 2]"),
        ("failure", FORMER % r"\\ud800"),
        ("failure", FORMER % r"\\u0000"),
        ("failure", "7"),
        ("failure", encode_failure(a_failure())[1].replace("2026-11-23T15:20:55", "2026-11-23T15:2!:55")),
        ("failure", encode_failure(a_failure())[1].replace(str(a_failure().check_id), "no-id")),
        ("failure", encode_failure(a_failure())[1].replace('"Checkout"', "null")),
        ("failure", encode_failure(a_failure())[1].replace('"status_code": 503', '"status_code": 5030000000')),
        ("failure", encode_failure(a_failure())[1].replace('"duration_ms": 143.2', '"duration_ms": 1e999')),
        ("failure", encode_failure(a_failure("NUL"))[1].replace("NUL", r"\u0000")),
        ("failure", encode_failure(a_failure("half"))[1].replace("half", r"\ud800")),
        ("failure", encode_failure(a_failure())[1][:-1]),
        ("failure", encode_failure(a_failure())[1] + "x"),
        ("failure", ""),
        ("flip", "{}"),
        ("flip", encode_flip(DOWN)[1].replace('"down"', "null")),
        ("rollups", "no JSON"),
        ("rollups", "{}"),
        ("rollups", rollups("a").replace('"part": 1', '"part": "x"')),
        ("rollups", rollups("NUL \0")),
        ("something new", "[]"),
    ],
)
async def test_unstorable_entries_are_set_aside_and_delay_no_other(
    pipeline: Pipeline, test_db: Database, kind: str, payload: str
) -> None:
    await pipeline.put([a_failure("before")], [UP])
    await pipeline.put_raw((kind, payload), ("rollups", rollups("other")))
    await pipeline.put([a_failure("after")])
    with capture_logs() as logs:
        await pipeline.drain_all()
    assert pipeline.outbox.rows == 0
    assert [(entry["event"], entry.get("kind")) for entry in logs if entry["log_level"] == "error"] == [
        ("entry refused by the database and set aside in the outbox", kind)
    ]
    assert {row["target"] for row in await test_db.failures()} == {"before", "after"}
    assert [await count(test_db, table) for table in ("flips", "rollups")] == [1, 1]


async def test_entries_that_a_trigger_refuses_delay_no_other(pipeline: Pipeline, test_db: Database) -> None:
    body = "BEGIN RAISE EXCEPTION 'no shops' USING ERRCODE = 'XX001'; END"
    await test_db.fetch(f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    await test_db.fetch(
        "CREATE TRIGGER refuse BEFORE INSERT ON failures FOR EACH ROW"
        " WHEN (NEW.target = 'shop') EXECUTE FUNCTION refuse()"
    )
    await pipeline.put([a_failure(name) for name in ("a", "b", "shop", "c", "d")])
    await pipeline.drain_all()
    assert {row["target"] for row in await test_db.failures()} == {"a", "b", "c", "d"}
    assert pipeline.outbox.rows == 0


async def test_a_name_that_no_index_takes_is_set_aside(pipeline: Pipeline, test_db: Database) -> None:
    await pipeline.put([a_failure("before"), a_failure(secrets.token_hex(1500)), a_failure("after")])
    await pipeline.put(flips=[replace(DOWN, target=secrets.token_hex(1500))])
    await pipeline.drain_all()
    assert pipeline.outbox.rows == 0
    assert {row["target"] for row in await test_db.failures()} == {"before", "after"}
    with pytest.raises(DatabaseRefusedError, match="index row"):
        await test_db.log_failure(a_failure(secrets.token_hex(1500)))


async def test_a_target_that_no_index_takes_holds_up_nothing(tmp_path: Path, test_db: Database) -> None:
    with open_pipeline(tmp_path, test_db, a_target(), a_target(secrets.token_hex(1500))) as pipeline:
        await pipeline.put([a_failure()], [UP])
        with capture_logs() as logs:
            await pipeline.drain_all()
        assert pipeline.outbox.rows == 0
    assert (await states(test_db))["Checkout"]["state"] == "up"
    assert "the database refuses the registration of the targets" in [entry["event"] for entry in logs]


async def test_a_batch_is_stored_as_a_whole_or_not_at_all(test_db: Database) -> None:
    store = TableStore(test_db, a_registration())
    await store.open(nothing_ended)
    good, bad = encode_failure(a_failure()), ("rollups", "no JSON")
    with pytest.raises(DatabaseRefusedError):
        await store.store([Entry(1, good[0], NOW, good[1]), Entry(2, bad[0], NOW, bad[1])])
    assert await count(test_db, "failures") == 0


async def test_the_time_last_alive_is_stored_and_never_goes_back(pipeline: Pipeline, test_db: Database) -> None:
    for seconds in (10, 20, 5):
        await pipeline.put(now=NOW + seconds)
        await pipeline.drain_all()
    [row] = await test_db.fetch("SELECT * FROM replicas")
    assert row == {
        "location": "default",
        "outbox": pipeline.outbox.id,
        "started_at": MOMENT,
        "alive_at": MOMENT + timedelta(seconds=20),
        "marked_by": pipeline.store.registration.daemon,
    }


async def test_two_daemons_of_one_location_are_reported_once(tmp_path: Path, test_db: Database) -> None:
    outbox = uuid.uuid4()
    first, second = (TableStore(test_db, replace(a_registration(outbox=outbox), host=host)) for host in ("one", "two"))
    elsewhere = TableStore(test_db, replace(a_registration(location="vienna"), host="three"))

    async def mark(*stores: TableStore) -> list[tuple[str, object]]:
        with capture_logs() as logs:
            for store in stores:
                await store.mark_alive(MOMENT)
        return [(line["log_level"], line["other"]) for line in logs]

    for store in (first, elsewhere):
        await store.open(nothing_ended)
    assert await mark(first, elsewhere, first, elsewhere) == []
    await second.open(nothing_ended)
    assert await mark(second) == [], "the other may have ended"
    since = MOMENT.isoformat(timespec="milliseconds")
    assert await mark(first) == [("warning", f"two, since {since}")]
    assert await mark(second, first, second, first, elsewhere) == [("warning", f"one, since {since}")]


async def test_a_daemon_with_a_copied_data_folder_is_reported(test_db: Database) -> None:
    registration = a_registration()
    first, second = TableStore(test_db, registration), TableStore(test_db, replace(registration, host="two"))
    assert [await store.open(nothing_ended) for store in (first, second)] == [0, 0]
    kind, payload = encode_failure(a_failure())
    await first.store([Entry(5, kind, 0.0, payload)], 0)
    with pytest.raises(DatabaseUnavailableError, match="a copy of this data folder"):
        await second.mark_alive(MOMENT, 0)


async def test_rows_from_the_future_are_dated_back_with_one_line(pipeline: Pipeline, test_db: Database) -> None:
    now = datetime.now(UTC)
    flips = [replace(UP, at=now + 2 * HOUR), replace(DOWN, at=now + 3 * HOUR), replace(UP, target="Shop", at=now)]
    flips = [replace(flip, confirmed_at=now + 4 * HOUR) for flip in flips]
    await pipeline.store.open(nothing_ended)
    with capture_logs() as logs:
        await pipeline.put(flips=flips, now=now.timestamp() + 3 * 3600)
        await pipeline.drain_all()
        await pipeline.put(flips=flips, now=now.timestamp())  # once more, as after a crash
        await pipeline.drain_all()
    ahead = [line for line in logs if line["event"].startswith("a clock was ahead")]
    assert [(line.get("flips"), line.get("states")) for line in ahead] == [(2, 1), (None, None)]
    [replica] = await test_db.fetch("SELECT alive_at FROM replicas")
    assert replica["alive_at"] == datetime.fromtimestamp(now.timestamp(), UTC)
    rows = await test_db.fetch(
        "SELECT state, greatest(at, confirmed_at) <= now() AS past FROM flips ORDER BY target, at"
    )
    assert [(row["state"], row["past"]) for row in rows] == [("up", True), ("down", True), ("up", True)]
    recovered = replace(UP, at=datetime.now(UTC), before=State.DOWN)
    await pipeline.put(flips=[recovered], now=now.timestamp())
    await pipeline.drain_all()
    assert (await states(test_db))["Checkout"]["state"] == "up"


async def test_rows_dated_back_stay_after_earlier_ones(pipeline: Pipeline, test_db: Database) -> None:
    now = datetime.now(UTC)
    await pipeline.store.open(nothing_ended)
    flips = [replace(UP, at=now + timedelta(seconds=30), number=1), replace(DOWN, at=now + 72 * HOUR, number=2)]
    await pipeline.put(flips=flips, now=now.timestamp())
    await pipeline.drain_all()
    rows = await test_db.fetch("SELECT state, at FROM flips ORDER BY at")
    assert [row["state"] for row in rows] == ["up", "down"]
    assert rows[1]["at"] == now + timedelta(seconds=30, microseconds=1)
    [state] = await test_db.fetch("SELECT state, since FROM states WHERE target = 'Checkout'")
    assert (state["state"], state["since"]) == ("down", rows[1]["at"])


async def test_a_daemon_after_another_reports_no_second_one(test_db: Database) -> None:
    with capture_logs() as logs:
        for host in ("one", "two", "three"):
            store = TableStore(test_db, replace(a_registration(), host=host))
            await store.open(nothing_ended)
            for _ in range(3):
                await store.mark_alive(MOMENT)
    assert logs == []


async def register(database: Database, *names: str, outbox: uuid.UUID, location: str = "default") -> None:
    registration = a_registration(*map(a_target, names), outbox=outbox, location=location)
    await database.operate(registration.register)


@pytest.mark.smoke
async def test_targets_come_and_go_and_come_back(test_db: Database) -> None:
    outbox = uuid.uuid4()
    await register(test_db, "a", "b", outbox=outbox)
    await register(test_db, "a", outbox=uuid.uuid4(), location="vienna")
    await register(test_db, "b", "c", outbox=outbox)
    rows = await test_db.fetch("SELECT target, location, watched, state, since FROM states ORDER BY target, location")
    assert [(row["target"], row["location"], row["watched"]) for row in rows] == [
        ("a", "default", False),
        ("a", "vienna", True),
        ("b", "default", True),
        ("c", "default", True),
    ]
    assert {(row["state"], row["since"]) for row in rows} == {("pending", None)}
    await register(test_db, "a", "b", outbox=outbox)
    assert {name: row["watched"] for name, row in (await states(test_db)).items() if row["location"] == "default"} == {
        "a": True,
        "b": True,
        "c": False,
    }
    await register(test_db, outbox=outbox)
    assert not any(row["watched"] for row in await test_db.fetch("SELECT * FROM states WHERE location = 'default'"))


async def test_deleted_states_come_back(pipeline: Pipeline, test_db: Database) -> None:
    pipeline.store.look_seconds = 0.0
    await pipeline.put(flips=[UP, DOWN])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.drain.run, pipeline.ready)
        await pipeline.drain.first_up.wait()
        before = await states(test_db)
        assert before["Checkout"]["state"] == "down"
        await test_db.fetch("DELETE FROM states")
        with trio.fail_after(30):
            while await states(test_db) != before:
                pipeline.drain.wake()
                await test_db.ping()
        nursery.cancel_scope.cancel()


async def test_a_dropped_table_comes_back_before_it_is_needed(pipeline: Pipeline, test_db: Database) -> None:
    pipeline.store.look_seconds = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.drain.run, pipeline.ready)
        await pipeline.drain.first_up.wait()
        await test_db.fetch("DROP TABLE notifications")
        with trio.fail_after(30):
            while await test_db.fetch("SELECT 1 WHERE to_regclass('notifications') IS NULL"):
                pipeline.drain.wake()
        nursery.cancel_scope.cancel()


async def test_registered_targets_follow_the_configuration(test_db: Database) -> None:
    outbox = uuid.uuid4()
    await register(test_db, "a", outbox=outbox)
    changed = a_target("a", address="https://new.example/", group="shops")
    await test_db.operate(a_registration(changed, outbox=outbox).register)
    row = (await states(test_db))["a"]
    assert (row["address"], row["group_name"]) == ("https://new.example/", "shops")


async def test_telling_it_again_changes_nothing(tmp_path: Path, test_db: Database) -> None:
    with open_pipeline(tmp_path, test_db, a_target()) as pipeline, capture_logs():
        await pipeline.put(flips=[UP])
        await pipeline.drain_all()
        before = (await test_db.fetch("SELECT * FROM states"), await test_db.fetch("SELECT * FROM replicas"))
        await pipeline.drain_all()
        assert (await test_db.fetch("SELECT * FROM states"), await test_db.fetch("SELECT * FROM replicas")) == before
        assert await count(test_db, "flips") == 1


async def test_another_outbox_ends_the_past_of_the_one_before_as_unknown(
    pipeline: Pipeline, test_db: Database, tmp_path: Path
) -> None:
    await pipeline.put(flips=[UP, replace(UP, target="Old"), replace(UP, target="Off", state=State.PAUSED)])
    await pipeline.put(flips=[replace(UP, location="vienna")])
    await pipeline.drain_all()
    (tmp_path / "another").mkdir()
    with open_pipeline(tmp_path / "another", test_db, a_target(), a_target("Off")) as another:
        for _ in range(2):
            await another.drain_all()
        query = "SELECT * FROM flips WHERE state = 'unknown' ORDER BY target"
        first, second = await test_db.fetch(query)
        assert (first["target"], second["target"]) == ("Checkout", "Old")
        assert (first["at"], first["before"], first["location"]) == (MOMENT, "up", "default")
        assert (first["reason"], first["detail"]) == (str(NOT_WATCHED.reason), NOT_WATCHED.detail)
        rows = await test_db.fetch("SELECT * FROM states")
        present = {(row["target"], row["location"]): (row["state"], row["watched"]) for row in rows}
        assert present == {
            ("Checkout", "default"): ("unknown", True),
            ("Old", "default"): ("unknown", False),
            ("Off", "default"): ("paused", True),
            ("Checkout", "vienna"): ("up", False),
        }
        [replica] = await test_db.fetch("SELECT outbox FROM replicas")
        assert replica["outbox"] == another.outbox.id


async def test_the_end_of_another_outbox_is_recorded_once_however_often_it_is_cut_off(
    pipeline: Pipeline, test_db: Database, tmp_path: Path
) -> None:
    """The results since then stay in the target's state, though they go to the outbox first."""
    await pipeline.put(flips=[UP])
    await pipeline.drain_all()
    (tmp_path / "another").mkdir()
    with open_pipeline(tmp_path / "another", test_db, a_target()) as another:
        again = replace(UP, at=MOMENT + HOUR, confirmed_at=MOMENT + HOUR)
        await another.put(flips=[again], now=NOW + 3600)
        registration = replace(another.store.registration, started_at=MOMENT + HOUR)
        for _ in range(2):
            ended = await test_db.operate(registration.register)
            record_ended(another.outbox, ended, NOW + 3600)
        another.store.registration = registration
        await another.drain_all()
        rows = await test_db.fetch("SELECT state, before, at FROM flips ORDER BY at")
    assert [(row["state"], row["before"]) for row in rows] == [("up", "pending"), ("unknown", "up"), ("up", "pending")]
    assert [row["at"] for row in rows] == [UP.at, MOMENT, again.at]
    assert (await states(test_db))["Checkout"]["state"] == "up"


async def test_a_living_outbox_elsewhere_does_not_end_targets_here(
    pipeline: Pipeline, test_db: Database, tmp_path: Path
) -> None:
    await pipeline.put(flips=[UP, replace(UP, target="Old")], now=NOW + 7200)
    await pipeline.drain_all()
    registration = replace(a_registration(a_target()), started_at=MOMENT)
    ended = await test_db.operate(registration.register)
    assert {flip.target: flip.at - MOMENT for flip in ended} == {"Checkout": 0 * HOUR, "Old": 2 * HOUR}
    await pipeline.put(flips=[replace(UP, at=MOMENT + HOUR)])
    await pipeline.drain_all()
    ended = await test_db.operate(a_registration(a_target()).register)
    assert [flip.target for flip in ended] == ["Old"], "what began after the start goes on"


async def test_text_of_any_script_comes_out_as_it_went_in(pipeline: Pipeline, test_db: Database) -> None:
    told = 'naïve … 東京 \U0001f600 \\u0041 "quoted"'
    await pipeline.put([a_failure(told, excerpt=told, headers=(("server", told),))])
    await pipeline.drain_all()
    [row] = await test_db.failures()
    assert (row["target"], row["excerpt"], row["headers"]) == (told, told, {"server": told})


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_is_not_in_utf8_takes_all(
    encoding: str, tmp_path: Path, test_db: Database, db_config: str
) -> None:
    name = f"in_{encoding.lower()}"
    for statement in (
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
        f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0",
    ):
        await test_db.operate(methodcaller("execute", statement))  # outside of a transaction
    told = "Störung 🚧"
    url = urlsplit(db_config)._replace(path=f"/{name}").geturl()
    async with open_database(url) as database:
        with open_pipeline(tmp_path, database, a_target("plain"), a_target(told)) as pipeline, capture_logs() as logs:
            await pipeline.put([a_failure("plain"), a_failure(told, excerpt=told, headers=(("server", told),))])
            await pipeline.drain_all()
        held = told if encoding == "SQL_ASCII" else r"Störung \U0001f6a7"
        rows = {row["target"]: row for row in await database.failures()}
        assert set(rows) == set(await states(database)) == {"plain", held}
        assert (rows[held]["excerpt"], rows[held]["headers"]) == (held, {"server": held})
    assert [encoding in line["event"] for line in logs if line["log_level"] == "warning"] == [True]
