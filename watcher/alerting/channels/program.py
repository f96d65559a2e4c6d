"""Runs a program that reads a message from its standard input. Trio."""

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

# Of what a program writes; the rest is read and thrown away, so that it does not wait for a reader.
MAX_OUTPUT_BYTES = 4096
_CHUNK_BYTES = 64 * 1024
# The program has ended, and something that it left behind still holds its output open.
OUTPUT_SECONDS = 0.2
# To be reaped after SIGKILL; only a process that hangs in the kernel needs longer.
REAP_SECONDS = 0.3

# sysexits.h: wrong usage and wrong configuration. What is wrong there stays wrong.
_REFUSALS = {os.EX_USAGE: "EX_USAGE", os.EX_CONFIG: "EX_CONFIG"}
# This machine has run out of something, and may have it again in a moment.
_OF_THIS_MACHINE = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETXTBSY})


async def run_program(receiver: ExecReceiver, body: bytes, channel: Channel, timeout_seconds: float) -> Delivery:
    """Run the program of a channel in a session of its own.

    Args:
        receiver: the program.
        body: the JSON of the message.
        channel: whose program it is.
        timeout_seconds: when it passes, the program is killed with all of its session.

    Returns:
        exit status 0 is delivered. 64 (usage) and 78 (configuration) are refused, and so is a program that is not
        there. Any other status, a signal and the timeout are tried again.
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
        return  # it does not want to know: its exit status says whether that is good


async def _read(process: trio.Process, output: bytearray) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.receive_some(_CHUNK_BYTES):
        output += chunk[: MAX_OUTPUT_BYTES - len(output)]


async def _kill_session(process: trio.Process) -> None:
    # The leader is not reaped yet, so the number is still that of its group.
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
