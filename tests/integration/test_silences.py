"""`watcher silence` and `watcher ack`, as a user runs them, through to a daemon and a real PostgreSQL."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.integration.daemon import NO_DATABASE, Folder
from tests.integration.forked import Commands
from tests.integration.history_rows import HOUR, put_flips, put_state, settings_of
from tests.integration.test_history_commands import ForkingFolder, complaint, said
from tests.pipeline import open_pipeline
from tests.unit.alerting.test_silences import put_incident
from watcher.alerting.silences.keeper import ASK_SECONDS, SilenceKeeper
from watcher.alerting.silences.orders import MAX_SILENCES, new_ack, new_silence
from watcher.alerting.silences.present import Silences
from watcher.daemon.heartbeat import beat
from watcher.postgres.queries.silences import read_orders, write_order
from watcher.postgres.tables.silences import NEWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.pipeline import Pipeline
    from watcher.postgres.db import Database

WHY = ("--why", "move to the new rack")


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    with Commands.start() as commands:
        yield commands


@pytest.fixture
def folder(tmp_path: Path, db_config: str, commands: Commands) -> Folder:
    """A folder whose settings lead to the database of the tests."""
    folder = ForkingFolder(tmp_path, commands=commands)
    urls = [{"name": name, "group": "shop", "address": "https://shop.example/"} for name in ("Checkout", "Search")]
    folder.configure(urls, **settings_of(db_config))
    (tmp_path / "data").mkdir()
    return folder


@asynccontextmanager
async def keeping(folder: Folder, database: Database) -> AsyncIterator[tuple[Silences, Pipeline]]:
    """Act on a data folder as a daemon does for silences."""
    data_dir, silences, up = folder.path / "data", Silences(), trio.Event()
    up.set()
    with open_pipeline(data_dir, database) as pipeline:
        keeper = SilenceKeeper(pipeline.disk, data_dir, "default", silences)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat, data_dir / "heartbeat")
            nursery.start_soon(keeper.run)
            nursery.start_soon(keeper.follow, partial(read_orders, database), partial(database.listen, NEWS), up)
            await until(lambda: (data_dir / "heartbeat").exists() and (data_dir / "spool").is_dir())
            yield silences, pipeline
            nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition in tasks that set no event for it."""
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def listed(folder: Folder) -> list[dict[str, Any]]:
    """Return the command's list, as a program reads it."""
    found: list[dict[str, Any]] = json.loads(await said(folder, "silence", "--list", "--json"))
    return found


async def test_a_daemon_obeys_a_command_and_the_database_hears_of_it(test_db: Database, folder: Folder) -> None:
    async with keeping(folder, test_db) as (silences, pipeline):
        told = await said(folder, "silence", "Checkout", "--for", "1h30m", *WHY, "--by", "eve")
        assert told.startswith("Checkout: no notifications until 2")
        assert ", for 1h 30m: move to the new rack; to end it: watcher silence --end " in told
        [silence] = silences.silences
        assert (silence.why, silence.by, silence.targets) == ("move to the new rack", "eve", frozenset({"Checkout"}))
        assert await complaint(folder, "ack", "Checkout") == "watcher: nothing is open at Checkout"
        await pipeline.disk.run(lambda outbox: put_incident(outbox, "Checkout"))
        assert (await said(folder, "ack", "Checkout")).startswith("Checkout is acknowledged: ")
        assert [ack.target for ack in silences.acks] == ["Checkout"]
        assert [row["id"] for row in await listed(folder)] == [str(silence.id)]
        await pipeline.drain_all()
        rows = await test_db.fetch("SELECT id, ends_at, said_by, targets, group_name FROM silences")
        assert rows == [
            {"id": silence.id, "ends_at": silence.end, "said_by": "eve", "targets": ["Checkout"], "group_name": None}
        ]
        assert [row["target"] for row in await test_db.fetch("SELECT target FROM acks")] == ["Checkout"]

        told = await said(folder, "silence", "--end", str(silence.id)[:5].upper())
        assert told == "Checkout: notifications are sent again\n"
        assert silences.silences == ()
        assert await said(folder, "silence", "--list") == "no active silences\n"
        await pipeline.drain_all()
        [row] = await test_db.fetch("SELECT ends_at < now() AS has_ended FROM silences")
        assert row["has_ended"]


async def test_without_a_daemon_the_database_takes_orders(test_db: Database, folder: Folder) -> None:
    told = await said(folder, "silence", "--group", "shop", "--until", "23:59", *WHY)
    assert told.startswith("the group shop: no notifications until 2")
    assert "stored in the database, where daemons read it within seconds" in told
    await put_state(test_db, "Checkout", "down")
    await put_flips(test_db, "Checkout", "UD?", datetime.now(UTC) - HOUR)  # the daemon was restarted meanwhile
    assert "where daemons read it within seconds" in await said(folder, "ack", "Checkout")
    await put_state(test_db, "Search", "unknown")
    await put_flips(test_db, "Search", "U?", datetime.now(UTC) - HOUR)
    await complaint(folder, "ack", "Search")
    cannot_tell = "UPDATE flips SET reason = 'local', detail = 'too many open files', check_id = gen_random_uuid()"
    await test_db.fetch(f"{cannot_tell} WHERE target = 'Search' AND state = 'unknown'")
    await said(folder, "ack", "Search")
    [row] = await listed(folder)
    async with keeping(folder, test_db) as (silences, pipeline):
        await until(lambda: silences.silences)
        assert [str(one.id) for one in silences.silences] == [row["id"]]
        assert pipeline.outbox.rows == 0, "the database is not told what it has told"
        now = datetime.now(UTC)
        await write_order(test_db, new_silence(start=now, end=now + HOUR, why="x"))
        with trio.fail_after(ASK_SECONDS / 3):  # its output says so
            await until(lambda: len(silences.silences) == 2)
    await said(folder, "silence", "--end", row["id"])
    assert [one["targets"] for one in await listed(folder)] == [None]


async def test_one_silence_too_many_is_refused_with_and_without_a_daemon(test_db: Database, folder: Folder) -> None:
    many = """
    INSERT INTO silences (id, starts_at, ends_at, why)
    SELECT gen_random_uuid(), now(), now() + interval '1 hour', 'x' FROM generate_series(1, $1)
    """
    await test_db.fetch(many, MAX_SILENCES)
    one_more = ("silence", "Checkout", "--for", "2h", *WHY)
    refusal = f"watcher: {MAX_SILENCES} silences are in force already; end some of them, or silence a group"
    assert await complaint(folder, *one_more) == refusal
    async with keeping(folder, test_db) as (silences, _):
        await until(lambda: len(silences.silences) == MAX_SILENCES)
        assert await complaint(folder, *one_more) == refusal
        await said(folder, "silence", "--end", str(silences.silences[0].id))
        await said(folder, *one_more)


async def test_a_rename_takes_silences_and_acks_along(test_db: Database, folder: Folder) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    old = new_silence(start=now, end=now + HOUR, why="x", targets=["Checkout", "Old"])
    before, during = (new_ack("Old", at=now - hours * HOUR) for hours in (4, 2))
    for order in (replace(old, targets=frozenset({"Checkout"})), old, before, during):
        await write_order(test_db, order)
    await put_flips(test_db, "Old", "UDUDp", now - 5 * HOUR, step=HOUR)
    await put_state(test_db, "Old", "paused", watched=False)
    async with keeping(folder, test_db) as (silences, pipeline):
        await until(lambda: silences.silences)
        await pipeline.disk.run(lambda outbox: put_incident(outbox, "Checkout", now - HOUR))
        await said(folder, "rename", "Old", "Checkout")
        rows = await test_db.fetch("SELECT id, at FROM acks WHERE target = 'Checkout' ORDER BY at")
        assert [row["id"] for row in rows] == [before.id, during.id]
        assert [row["at"] >= now for row in rows] == [False, True], "it holds for what is open under the new name"
        # Notified, not polled. Silences are read before acks, so that a read during the rename has the old ones.
        with trio.fail_after(ASK_SECONDS / 3):
            await until(lambda: silences.acks)
            await until(lambda: [one.targets for one in silences.silences] == [frozenset({"Checkout"})])
        assert during.id in {one.id for one in silences.acks}


async def test_where_there_is_neither_the_command_says_so(folder: Folder) -> None:
    folder.configure([{"name": "Checkout", "address": "https://shop.example/"}], **NO_DATABASE)
    for arguments in (["silence", "Checkout", "--for", "2h", *WHY], ["ack", "Checkout"], ["silence", "--list"]):
        done = await folder.run(*arguments)
        first, second = done.stderr.decode().splitlines()
        assert (done.returncode, done.stdout) == (3, b"")
        assert first == "watcher: no daemon is running in data, so the database is needed"
        assert second.startswith("watcher: the database cannot be reached: ")


async def test_an_invalid_order_is_one_line(folder: Folder) -> None:
    for arguments, line in {
        ("silence", "Chekcout", "--for", "2h", *WHY): "no target is called 'Chekcout'; did you mean Checkout?",
        ("silence", "--group", "shp", "--for", "2h", *WHY): "no target is in the group 'shp'; did you mean shop?",
        ("silence", "Checkout", *WHY): "give exactly one of --for and --until",
        ("silence", "Checkout", "--for", "2h"): "Missing option '--why'.",
        (
            "silence",
            "Checkout",
            "--for",
            "2h",
            "--why",
            " ",
        ): "--why is empty; write a reason for those who get no messages",
        ("silence", "--all", "--for", "0s", *WHY): "--for or --until makes it end before it starts",
        (
            "silence",
            "--all",
            "--until",
            "soon",
            *WHY,
        ): "Invalid value for '--until': 'soon' is not a time; write one as in",
        (
            "silence",
            "--all",
            "--for",
            "1h5",
            *WHY,
        ): "Invalid value for '--for': '1h5' is not a duration; write one as in",
        ("silence", "--all", "Checkout", "--for", "1h", *WHY): "give exactly one of names of targets, --group, --all,",
        ("silence", "--list", "--for", "1h"): "--for, --until and --why are only for a new silence",
        ("silence", "--all", "--json", "--for", "1h", *WHY): "--json is only for --list",
        ("silence",): "give exactly one of names of targets, --group, --all, --list and --end",
        ("ack", "Chekcout"): "no target is called 'Chekcout'; did you mean Checkout?",
    }.items():
        assert (await complaint(folder, *arguments, status=2)).startswith(f"watcher: {line}")
