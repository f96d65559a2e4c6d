"""Helper processes: reused, killed when they hang, bounded, and stopped when idle."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import trio

from watcher.alerting.channels.helper_command import COMMAND
from watcher.alerting.channels.helpers import MAX_HELPERS, HelperError, Helpers
from watcher.alerting.channels.templates import MAX_TEXT_CHARS, MAX_TITLE_CHARS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Answers with its process number, never answers, exits, or takes a while.
STAND_IN = """
import json, os, sys, time
for line in sys.stdin:
    do = json.loads(line)["do"]
    if do == "end":
        break
    time.sleep({"hang": 600, "wait": 0.3}.get(do, 0))
    print(json.dumps({"pid": os.getpid()}), flush=True)
"""


@pytest.fixture
async def helpers() -> AsyncIterator[Helpers]:
    """Helpers that wait an hour for work; their processes are stopped at the end."""
    helpers = Helpers((sys.executable, "-c", STAND_IN), idle_seconds=3600.0)
    yield helpers
    await helpers.close()
    assert not stand_ins()


def stand_ins() -> list[psutil.Process]:
    """Return the running helper processes; other tests of this process may have others."""
    return [child for child in psutil.Process().children() if _is_stand_in(child)]


def _is_stand_in(child: psutil.Process) -> bool:
    try:
        return STAND_IN in child.cmdline()
    except psutil.NoSuchProcess:
        return False


async def ask(helpers: Helpers, do: str, seconds: float = 30.0) -> int:
    """Run a job, and return the number of the process that ran it."""
    pid: int = (await helpers.ask({"do": do}, seconds))["pid"]
    return pid


async def test_one_process_does_one_job_after_the_other(helpers: Helpers) -> None:
    first = await ask(helpers, "")
    assert await ask(helpers, "") == first
    with pytest.raises(HelperError, match=r"no answer within 0\.2 s"):
        await ask(helpers, "hang", 0.2)
    second = await ask(helpers, "")
    assert second != first
    with pytest.raises(HelperError, match="ended without an answer"):
        await ask(helpers, "end")
    assert await ask(helpers, "") != second


async def test_there_are_only_so_many_and_one_that_died_meanwhile_is_replaced(helpers: Helpers) -> None:
    pids: list[int] = []

    async def note(_: Any) -> None:
        pids.append(await ask(helpers, "wait"))

    async with trio.open_nursery() as nursery:
        for index in range(MAX_HELPERS + 3):
            nursery.start_soon(note, index)
    assert len(pids) == MAX_HELPERS + 3
    assert len(set(pids)) == MAX_HELPERS
    for child in stand_ins():
        child.kill()
        child.wait()
    assert await ask(helpers, "") not in pids


async def test_a_cancelled_job_leaves_no_process(helpers: Helpers) -> None:
    with trio.move_on_after(0.3):
        await ask(helpers, "hang")
    assert not stand_ins()


async def test_idle_helpers_end() -> None:
    helpers = Helpers((sys.executable, "-c", STAND_IN), idle_seconds=0.2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(helpers.end_idle)
        pid = await ask(helpers, "")
        with trio.fail_after(30):
            while psutil.pid_exists(pid):  # noqa: ASYNC110
                await trio.sleep(0.02)
        assert await ask(helpers, "") != pid
        nursery.cancel_scope.cancel()
    await helpers.close()


@pytest.mark.parametrize("character", ["\U0001f600", "\x01", "\ud800"], ids=ascii)
async def test_the_longest_texts_of_templates_come_back_whatever_their_characters(character: str) -> None:
    helpers = Helpers(COMMAND)
    text = f"{{{{ '{character}' * 100000 }}}}"
    answer = await helpers.ask({"do": "render", "title": text, "body": text, "payload": {}}, 30.0)
    await helpers.close()
    assert (len(answer["title"]), len(answer["body"])) == (MAX_TITLE_CHARS, MAX_TEXT_CHARS)
