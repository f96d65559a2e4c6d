"""The database fails in every way, while checks fail: they continue, memory is bounded, nothing is lost.

`THOROUGH=1` in the environment makes the outages longer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import psutil
import pytest
import trio

from tests.hostile.harness import waited_for_cpu_seconds, watching_for_stalls
from tests.integration.daemon import Daemon, Folder, settings_for
from tests.integration.evidence import failed_in, left_in, measured_in, told_ids
from tests.integration.own_server import FAST, IMMEDIATE, OwnServer, running_server
from tests.integration.proxy import Proxy, open_proxy
from tests.integration.sites import answering, response, serving
from tests.rounds import rounds
from watcher.postgres.db import Database, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ["restart", "crash", "stop", "black hole", "read-only", "password", "full disk"]
BRIEF = {"restart", "crash"}  # these end by themselves
FAILURES_OF_AN_OUTAGE = rounds(60, many=150)
FAILING = 10
INTERVAL_SECONDS = 0.1
MAX_GROWTH_BYTES = 50_000_000
# On a machine with time for a daemon: how long it may pause, and which part of the time it may delay.
MAX_STALL_SECONDS, MAX_WAITING_PART = 0.5, 0.2

_FILL = """
CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device';
END
$$;
CREATE TRIGGER is_full BEFORE INSERT ON failures FOR EACH STATEMENT EXECUTE FUNCTION is_full();
CREATE TRIGGER is_full BEFORE INSERT ON flips FOR EACH STATEMENT EXECUTE FUNCTION is_full();
CREATE TRIGGER is_full BEFORE INSERT ON rollups FOR EACH STATEMENT EXECUTE FUNCTION is_full();
"""


@pytest.fixture(scope="module")
def server(made_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    with running_server(made_server, tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.mark.parametrize("kind", KINDS)
async def test_an_outage_holds_up_no_check_and_loses_nothing(
    bridge: None, server: OwnServer, tmp_path: Path, kind: str
) -> None:
    folder = Folder(tmp_path)
    async with (
        open_database(server.url) as operator,
        open_proxy(server.url) as proxy,
        serving(answering(response())) as port,
    ):
        await _run(operator, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        failing = [
            {"name": f"failing {number}", "address": "http://127.0.0.1:1/", "interval": INTERVAL_SECONDS}
            for number in range(FAILING)
        ]
        fine = {"name": "fine", "address": f"http://127.0.0.1:{port}/", "interval": INTERVAL_SECONDS}
        folder.configure([*failing, fine], **settings_for(proxy))
        async with folder.daemon() as daemon, watching_for_stalls() as stalls:
            started = trio.current_time()
            await _go_on(daemon, folder)
            memory_bytes = psutil.Process(daemon.process.pid).memory_info().rss
            await _begin(kind, server, operator, proxy)
            if kind not in BRIEF:  # between two batches, an outage may pass unnoticed
                await daemon.until(lambda: daemon.lines("database unavailable"))
            await _go_on(daemon, folder)
            if kind not in BRIEF:
                assert len(daemon.lines("database connected")) == 1
            await _end(kind, server, operator, proxy)
            await daemon.until(lambda: _is_over(daemon))
            assert psutil.Process(daemon.process.pid).memory_info().rss < memory_bytes + MAX_GROWTH_BYTES
            told = set(told_ids(daemon.log.read_text()))
            with trio.fail_after(60):
                while not told <= {str(row["id"]) for row in await operator.fetch("SELECT id FROM failures")}:  # noqa: ASYNC110
                    await trio.sleep(0.1)
            waiting_part = waited_for_cpu_seconds(daemon.process.pid) / (trio.current_time() - started)
            is_busy = stalls.longest_seconds > MAX_STALL_SECONDS or waiting_part > MAX_WAITING_PART
            status, _seconds = await daemon.stop()
        assert status == 0
        said = [line for line in daemon.lines("database ") if re.search("database (connected|unavailable)", line)]
        changes = ["connected" in line for line in said]
        assert changes == [index % 2 == 0 for index in range(len(said))], f"one line for each change of state: {said}"
        # A busy machine may delay a commit beyond a command's time limit: that is an outage as well.
        assert len(said) == 3 or (kind in BRIEF and len(said) == 1) or is_busy, said
        counts = await _all_is_there(operator, daemon, tmp_path)
        # Checks do not wait for a database; delays of a busy machine are not counted.
        assert counts["late_checks"] == 0 or is_busy


def _is_over(daemon: Daemon) -> bool:
    """Return whether the database was connected to as often as it was down, and once before."""
    return len(daemon.lines("database connected")) == 1 + len(daemon.lines("database unavailable"))


async def _go_on(daemon: Daemon, folder: Folder) -> None:
    """Wait until many more checks have failed, and some succeeded."""
    failures, successes = len(daemon.lines(" failure ")), len(folder.successes())
    await daemon.until(lambda: len(daemon.lines(" failure ")) >= failures + FAILURES_OF_AN_OUTAGE)
    await daemon.until(lambda: len(folder.successes()) >= successes + 5)
    await daemon.until(lambda: daemon.lines("database connected"))


async def _all_is_there(database: Database, daemon: Daemon, tmp_path: Path) -> dict[str, int]:
    """Assert that nothing is lost, and return the daemon's counts."""
    [stopped] = daemon.lines("stopped")
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)(?= |$)", stopped)}
    assert counts["failures_not_stored"] == 0
    # A stop waits for the database only shortly: the last entries may wait for the next start.
    left = left_in(tmp_path / "data")
    assert counts["waiting"] == left.entries.total()
    assert len(told_ids(daemon.log.read_text())) == counts["failures"]
    failed = await failed_in(database)
    assert failed.total() + left.entries["failure"] == counts["failures"]
    measured = left.measured + await measured_in(database)
    assert measured.total() == counts["failures"] + counts["successes"]
    assert left.set_aside == 0
    return counts


async def _begin(kind: str, server: OwnServer, operator: Database, proxy: Proxy) -> None:
    if kind in BRIEF:
        await server.halt(FAST if kind == "restart" else IMMEDIATE)
        await server.start()
    elif kind == "stop":
        await server.halt(FAST)
    elif kind == "black hole":
        proxy.freeze()
    elif kind == "read-only":
        await _run(operator, "ALTER SYSTEM SET default_transaction_read_only = on")
        await operator.fetch("SELECT pg_reload_conf()")
    elif kind == "password":
        await _run(operator, "ALTER ROLE watcher PASSWORD 'another'")
        await operator.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'watcher' AND pid <> pg_backend_pid()"
        )
    else:
        await _run(operator, _FILL)


async def _end(kind: str, server: OwnServer, operator: Database, proxy: Proxy) -> None:
    if kind == "stop":
        await server.start()
    elif kind == "black hole":
        proxy.thaw()
    elif kind == "read-only":
        await _run(operator, "ALTER SYSTEM RESET default_transaction_read_only")
        await operator.fetch("SELECT pg_reload_conf()")
    elif kind == "password":
        password = unquote(urlsplit(server.url).password or "")
        await _run(operator, f"ALTER ROLE watcher PASSWORD '{password}'")
    elif kind == "full disk":
        await _run(operator, "DROP FUNCTION is_full CASCADE")


async def _run(database: Database, commands: str) -> None:
    """Run several commands, which only the simple protocol can."""
    await database.operate(lambda connection: connection.execute(commands))
