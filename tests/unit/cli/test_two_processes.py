"""Work shared with a second process has the same result as in one, whatever happens to the second."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from watcher.cli.two_processes import written_in_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ITEMS = [f"Straße {number}\n" for number in range(20_000)]  # more than a pipe holds
FIRST = os.getpid()


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failed() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("of_second", [killed, failed, None])
def test_the_first_process_does_what_the_second_did_not(of_second: Callable[[], None] | None, tmp_path: Path) -> None:
    def write(items: Sequence[str]) -> str:
        (tmp_path / str(os.getpid())).touch()
        if os.getpid() != FIRST and of_second is not None:
            of_second()
        return "".join([f"{os.getpid() == FIRST} {item}" for item in items])

    parts = written_in_parts(write, ITEMS, least_items=2)
    assert [len(part.splitlines()) for part in parts] == [10_000, 10_000]
    assert "".join(parts) == "".join(
        [f"{number < 10_000 or of_second is not None} {item}" for number, item in enumerate(ITEMS)]
    )
    assert_second_is_gone(tmp_path)
    assert written_in_parts(write, ITEMS[:1], least_items=2) == [f"True {ITEMS[0]}"]


def test_a_second_process_is_gone_when_the_first_fails(tmp_path: Path) -> None:
    def write(items: Sequence[str]) -> str:
        if os.getpid() != FIRST:
            (tmp_path / str(os.getpid())).touch()
            while True:
                signal.pause()
        while not list(tmp_path.iterdir()):
            os.sched_yield()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written_in_parts(write, ITEMS, least_items=2)
    assert_second_is_gone(tmp_path)


def assert_second_is_gone(folder: Path) -> None:
    [second] = [int(path.name) for path in folder.iterdir() if int(path.name) != FIRST]
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
