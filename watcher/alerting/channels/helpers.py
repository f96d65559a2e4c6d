"""Starts and ends helper processes; each does one job at a time. Trio."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

# The bound of the processes: while so many receivers hang, others wait for their turn.
MAX_HELPERS = 8
# How long an idle process stays: it holds some 50 MB, but messages seldom come alone.
IDLE_SECONDS = 60.0
# The longest answer; each character of the longest title and text of a template may take six bytes.
MAX_ANSWER_BYTES = 512 * 1024
_CHUNK_BYTES = 64 * 1024
REAP_SECONDS = 0.3


class HelperError(Exception):
    """A helper process did not finish its job; the message is for people."""


class Helpers:
    """Starts helper processes when needed, and ends those that hang or are idle."""

    def __init__(self, command: Sequence[str], idle_seconds: float = IDLE_SECONDS) -> None:
        """Create it without processes.

        Args:
            command: starts a process.
            idle_seconds: how long an idle process is kept.
        """
        self._command = tuple(command)
        self._idle_seconds = idle_seconds
        self._idle: list[_Helper] = []
        self._turns = trio.CapacityLimiter(MAX_HELPERS)

    async def ask(self, job: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Run a job in a helper process.

        Args:
            job: in the form that `helper_process` reads.
            timeout_seconds: the deadline, with the start of a process; the process is killed then.

        Returns:
            its answer.

        Raises:
            HelperError: it did not answer in time, or ended.
        """
        deadline = trio.current_time() + timeout_seconds
        with trio.move_on_at(deadline):
            async with self._turns:
                helper = await self._take()
                left = max(deadline - trio.current_time(), 0.0)
                done = False
                try:
                    answer = await helper.ask({**job, "timeout_seconds": left})
                    done = True
                    return answer
                finally:
                    if done:
                        helper.idle_since = trio.current_time()
                        self._idle.append(helper)
                    else:
                        await helper.kill()
        raise HelperError(f"no answer within {round(timeout_seconds, 1):g} s: the helper process was killed")

    async def end_idle(self) -> None:
        """End processes that have been idle for a while, until cancelled."""
        while True:
            await trio.sleep(self._idle_seconds / 2)
            now = trio.current_time()
            old = [helper for helper in self._idle if now - helper.idle_since >= self._idle_seconds]
            self._idle = [helper for helper in self._idle if helper not in old]
            for helper in old:
                await helper.kill()

    async def close(self) -> None:
        """Kill all idle processes."""
        idle, self._idle = self._idle, []
        async with trio.open_nursery() as nursery:
            for helper in idle:
                nursery.start_soon(helper.kill)

    async def _take(self) -> _Helper:
        while self._idle:
            helper = self._idle.pop()  # the last one used, so that the others age
            if helper.is_alive:
                return helper
            await helper.kill()
        return await _Helper.start(self._command)


class _Helper:
    """One process."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.idle_since = 0.0

    @classmethod
    async def start(cls, command: Sequence[str]) -> _Helper:
        try:
            # A session of its own: Ctrl-C in a terminal goes to the daemon, which ends its helpers itself.
            process = await trio.lowlevel.open_process(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise HelperError(f"cannot start the helper process: {error.strerror or error}") from error
        return cls(process)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        line = bytearray()
        try:
            await stdin.send_all(json.dumps(job).encode("ascii") + b"\n")
            while not line.endswith(b"\n"):
                chunk = await stdout.receive_some(_CHUNK_BYTES)
                if not chunk or len(line) > MAX_ANSWER_BYTES:
                    raise HelperError("the helper process ended without an answer")
                line += chunk
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise HelperError("the helper process ended without an answer") from error
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def kill(self) -> None:
        process = self._process
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with trio.move_on_after(0, shield=True):
                    await pipe.aclose()
        with trio.move_on_after(REAP_SECONDS, shield=True):
            await process.wait()
