"""The daemon is killed between any two steps of sending an alert: no alert is lost, and none is sent anew.

A run has ten kills; `THOROUGH=1` in the environment makes them 300, ten for each of thirty daemons.
"""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import trio

from tests.integration.daemon import NO_DATABASE, Daemon
from tests.integration.receivers import HttpReceiver, Post, receiving
from tests.integration.sites import response, serving
from tests.integration.test_alerts import Site, a_channel, configure
from tests.rounds import rounds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.daemon import Folder
    from tests.integration.sites import Behaviour

SEED = 20_261_126
DAEMONS = rounds(1, many=30)
ROUNDS = 10
GROUP_WAIT_SECONDS = 0.2
LONGEST_SECONDS = 1.5
# When the daemon is killed: with the event on disk, with the message on disk, before the receiver has answered, after
# that, when the answer is recorded, and at any moment.
STEPS = ("outbox commit", "claim", "send", "answer", "mark", "any")
OK, BROKEN = "200 OK", "503 Service Unavailable"


class Killer:
    """Kills the daemon at a step of its next message."""

    def __init__(self) -> None:
        self.daemon: Daemon | None = None
        self.step = ""

    def kill(self) -> None:
        if self.daemon is not None:
            self.daemon.process.kill()

    def take(self, _post: Post) -> bytes | Behaviour:
        """Answer a message, and kill the daemon before or after the answer, as planned."""
        if self.daemon is not None and self.step == "send":
            self.kill()
            return b""
        return self._answer_and_kill if self.step == "answer" else response(b"thank you")

    async def _answer_and_kill(self, stream: trio.abc.Stream) -> None:
        await stream.send_all(response(b"thank you"))
        self.kill()


@pytest.mark.parametrize("number", range(DAEMONS))
async def test_kills_lose_no_message_and_create_no_second_one(folder: Folder, number: int) -> None:
    site, killer, moments = Site(), Killer(), random.Random(SEED + number)
    path = folder.path / "data" / "outbox.sqlite"
    steps = [*STEPS, *(moments.choice(STEPS) for _ in range(ROUNDS))]
    kinds = ["down", "up"] * ROUNDS
    async with serving(site.behave) as site.port, receiving(killer.take) as receiver:
        hook = a_channel(
            receiver, events=["down", "up"], group_wait=GROUP_WAIT_SECONDS, group_interval=GROUP_WAIT_SECONDS
        )
        configure(folder, site, hook, **NO_DATABASE)
        async with folder.daemon() as daemon:  # the first check has nothing to report
            await daemon.until(lambda: site.asked > 2)
            assert (await daemon.stop())[0] == 0
        for kill in range(ROUNDS + 1):
            async with folder.daemon() as daemon:
                await daemon.until(lambda kill=kill: len(kinds_by_id(receiver)) >= kill)  # type: ignore[misc]
                await daemon.until(lambda: rows(path, "SELECT count(*) FROM notifications") == [(0,)])
                assert list(kinds_by_id(receiver).values()) == kinds[:kill], f"after a kill at: {killer.step}"
                if kill == ROUNDS:
                    return
                killer.daemon, killer.step = daemon, steps[kill]
                site.status = BROKEN if kinds[kill] == "down" else OK
                await kill_at(killer, path, receiver, kill, moments)
                await daemon.process.wait()
            killer.daemon = None


async def kill_at(killer: Killer, path: Path, receiver: HttpReceiver, told: int, moments: random.Random) -> None:
    """Kill the daemon when it has reached the step, if it still runs."""
    daemon = killer.daemon
    assert daemon is not None

    def has_come() -> bool:
        match killer.step:
            case "outbox commit":
                return rows(path, "SELECT EXISTS (SELECT 1 FROM alert_events)") == [(1,)]
            case "claim":
                return rows(path, "SELECT EXISTS (SELECT 1 FROM notifications)") == [(1,)]
            case "mark":
                return len(kinds_by_id(receiver)) > told and rows(path, "SELECT count(*) FROM notifications") == [(0,)]
            case _:
                return False

    if killer.step == "any":
        await trio.sleep(moments.uniform(0, LONGEST_SECONDS))
        killer.kill()
    with trio.fail_after(60):
        # A step that is on disk only for a moment may be missed: then the message itself is the next chance.
        while daemon.process.poll() is None and not has_come() and len(kinds_by_id(receiver)) <= told:  # noqa: ASYNC110
            await trio.sleep(0.0005)
        if killer.step == "mark":
            await daemon.until(lambda: has_come())
        if killer.step not in {"send", "answer"}:
            killer.kill()


def kinds_by_id(receiver: HttpReceiver) -> dict[str, str]:
    """Return the kinds of messages in the order in which they first came, by their ids."""
    return {post.document["id"]: post.document["kind"] for post in receiver.posts}


def rows(path: Path, query: str) -> list[tuple[int, ...]]:
    """Query the outbox of a daemon that may be running."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as database:
            return database.execute(query).fetchall()
    except sqlite3.OperationalError:  # it is being created
        return []
