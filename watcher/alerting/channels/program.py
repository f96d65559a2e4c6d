"""Runs a program that reads a message from standard input. Trio."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from watcher.model.alerts.notification import Delivered, Refused, TryAgain
from watcher.secrets.of_channels import masked_answer

if TYPE_CHECKING:
    from watcher.model.alerts.channel import Channel, ExecReceiver
    from watcher.model.alerts.notification import Delivery

# Bytes kept of a program's output; the rest is read and dropped, so that the program never blocks.
MAX_OUTPUT_BYTES = 4096
_CHUNK_BYTES = 64 * 1024
# Wait for the output after the program has ended: a process that it left behind may hold the output open.
OUTPUT_SECONDS = 0.2
# Wait for a process after SIGKILL; only one that hangs in the kernel needs longer.
REAP_SECONDS = 0.3

# sysexits.h: wrong usage and wrong configuration. Another try would fail as well.
_REFUSALS = {os.EX_USAGE: "EX_USAGE", os.EX_CONFIG: "EX_CONFIG"}
# This machine has run out of a resource that may be free in a moment.
_OF_THIS_MACHINE = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETXTBSY})


async def run_program(receiver: ExecReceiver, body: bytes, channel: Channel, timeout_seconds: float) -> Delivery:
    """Run the program of a channel in a session of its own.

    Args:
        receiver: the program.
        body: the JSON of the message.
        channel: whose program it is.
        timeout_seconds: then the program is killed with its whole session.

    Returns:
        exit status 0 is delivered. 64 (usage) and 78 (configuration) are refused, and so is a program that does not
        exist. Any other status, a signal and the timeout are tried again.
    """
    try:
        process = await trio.lowlevel.open_process(
            receiver.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        words = masked_answer(f"cannot start {receiver.command[0]}: {error.strerror or error}", channel)
        return TryAgain(words) if error.errno in _OF_THIS_MACHINE else Refused(words)
    output = bytearray()
    try:
        with trio.move_on_after(timeout_seconds):
            await _feed_and_read(process, body, output)
    finally:
        status = process.returncode
        if status is None:
            await _kill_session(process)
        await _close(process)
    return _delivery_of(status, output, channel, timeout_seconds)


async def _feed_and_read(process: trio.Process, body: bytes, output: bytearray) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_feed, process, body)
        nursery.start_soon(_read, process, output)
        await process.wait()
        nursery.cancel_scope.deadline = trio.current_time() + OUTPUT_SECONDS


async def _feed(process: trio.Process, body: bytes) -> None:
    assert process.stdin is not None
    try:
        async with process.stdin:
            await process.stdin.send_all(body)
    except trio.BrokenResourceError:
        return  # the program stopped reading: its exit status tells whether that is good


async def _read(process: trio.Process, output: bytearray) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.receive_some(_CHUNK_BYTES):
        output += chunk[: MAX_OUTPUT_BYTES - len(output)]


async def _kill_session(process: trio.Process) -> None:
    # The leader is not reaped yet, so the number still belongs to its group.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with trio.move_on_after(REAP_SECONDS, shield=True):
        await process.wait()


async def _close(process: trio.Process) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with trio.move_on_after(0, shield=True):
                await pipe.aclose()


def _delivery_of(status: int | None, output: bytearray, channel: Channel, timeout_seconds: float) -> Delivery:
    text = output.decode("utf-8", "replace").strip()
    if status is None:
        said = f"killed after {round(timeout_seconds, 1):g} s"
    elif status < 0:
        said = f"ended by signal {-status}"
    else:
        said = f"exit status {status}" + (f" ({_REFUSALS[status]})" if status in _REFUSALS else "")
    words = masked_answer(f"{said}: {text}" if text else said, channel, limit_chars=MAX_OUTPUT_BYTES)
    if status == os.EX_OK:
        return Delivered(words)
    return Refused(words) if status in _REFUSALS else TryAgain(words)
