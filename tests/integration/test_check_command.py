"""`python -m watcher check` as a user runs it, against real sites."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import ssl
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

from tests.integration.sites import answering, response, serving, silent

if TYPE_CHECKING:
    from tests.integration.daemon import Folder

HANG_SECONDS = 120


async def checked(folder: Folder, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run a check, and return the exit status and the JSON output."""
    done = await folder.run("check", "--json", *arguments)
    assert done.stderr == b""
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return done.returncode, found


@pytest.mark.smoke
async def test_a_good_site_succeeds_without_any_configuration(folder: Folder) -> None:
    async with serving(answering(response(b"hello"))) as port:
        status, [found] = await checked(folder, f"http://127.0.0.1:{port}/?token=hunter2")
    assert status == 0
    assert (found["ok"], found["reason"], found["detail"], found["status_code"]) == (True, None, None, 200)
    assert found["address"] == f"http://127.0.0.1:{port}/?token=***"
    assert (found["ip"], found["http_version"], found["body_bytes"]) == ("127.0.0.1", "1.1", 5)
    assert (found["redirects"], found["cert_expires_at"], found["phases_ms"]["tls"]) == (0, None, None)
    assert found["phases_ms"]["processing"] > 0
    assert list(folder.path.iterdir()) == []


@pytest.mark.smoke
async def test_one_that_fails_makes_the_status_1(folder: Folder) -> None:
    async with (
        serving(answering(response())) as good,
        serving(answering(response(status="503 Service Unavailable"))) as bad,
    ):
        status, found = await checked(folder, f"http://127.0.0.1:{good}/", f"http://127.0.0.1:{bad}/")
    assert status == 1
    assert [(one["ok"], one["reason"], one["detail"]) for one in found] == [
        (True, None, None),
        (False, "status", "503 Service Unavailable"),
    ]


async def test_a_redirect_is_shown_hop_by_hop(folder: Folder) -> None:
    async with serving(answering(response(b"there"))) as there:
        head = f"Location: http://127.0.0.1:{there}/x?session=hunter2\r\n"
        async with serving(answering(response(status="302 Found", headers=head))) as here:
            done = await folder.run("check", f"http://127.0.0.1:{here}/")
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode()
    title, first, *rest = shown.splitlines()
    assert title == f"http://127.0.0.1:{here}/"
    assert first == f"  302 http://127.0.0.1:{here}/ HTTP/1.1 from 127.0.0.1"
    assert f"  200 OK http://127.0.0.1:{there}/x?session=*** HTTP/1.1 from 127.0.0.1, 5 bytes" in rest
    assert [line.split()[0] for line in rest if line].count("connect") == 2
    assert "succeeds in" in shown
    assert "hunter2" not in shown
    assert "\x1b" not in shown


async def test_certificates_are_shown(folder: Folder) -> None:
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(served)
    async with serving(answering(response()), tls=served) as port:
        address = f"https://127.0.0.1:{port}/"
        done = await folder.run("check", address)
        status, [found] = await checked(folder, address)
    assert (done.returncode, status, found["reason"]) == (1, 1, "tls")  # the authority is unknown
    assert "fails in" in done.stdout.decode()
    assert "tls: " in done.stdout.decode()


@pytest.mark.smoke
async def test_named_targets_have_all_options_of_the_config(folder: Folder) -> None:
    async with serving(answering(response(b"sorry"))) as port:
        address = f"http://127.0.0.1:{port}/"
        folder.configure([{"name": "Checkout", "address": address, "regex": "hello"}])
        for word in ("Checkout", address):
            status, [found] = await checked(folder, word)
            assert (status, found["target"], found["reason"]) == (1, "Checkout", "regex")


async def test_all_targets_are_checked_at_once(folder: Folder) -> None:
    asking = most_asking = 0

    async def until_it_leaves(stream: trio.abc.Stream) -> None:
        nonlocal asking, most_asking
        asking += 1
        most_asking = max(most_asking, asking)
        while await stream.receive_some():
            pass
        asking -= 1

    async with (
        serving(answering(response())) as good,
        serving(until_it_leaves) as dead,
    ):
        urls: list[dict[str, Any]] = [
            {"name": f"good {number}", "address": f"http://127.0.0.1:{good}/"} for number in range(20)
        ]
        silence = {"address": f"http://127.0.0.1:{dead}/", "timeout": 3}
        urls += [{"name": f"dead {number}", **silence} for number in range(8)]
        folder.configure(urls, MAX_WORKERS=8)
        done = await folder.run("check", "--all")
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, done.stderr, lines[-1]) == (1, b"", "20 succeed, 8 fail")
    assert [line.split("  ")[-2] for line in lines[-9:-1]] == [f"dead {number}" for number in range(8)]
    assert len(lines) == 28 + 1 + 8 + 1
    assert most_asking == 8


async def test_text_from_a_site_cannot_control_a_terminal(folder: Folder) -> None:
    async with serving(answering(response(status="503 \x1b[31m[bold]x[/bold]"))) as port:
        done = await folder.run("check", f"http://127.0.0.1:{port}/")
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout


async def shown_on_terminals(folder: Folder, *arguments: str, **variables: str) -> tuple[str, str]:
    """Run a check with stdout and stderr on a terminal each, and return their content."""
    masters, slaves = zip(*(pty.openpty() for _ in range(2)), strict=True)
    environment = {key: value for key, value in folder.env().items() if key not in {"NO_COLOR", "FORCE_COLOR"}}
    shown = dict.fromkeys(masters, b"")

    async def read(master: int) -> None:  # read meanwhile, since a long progress bar is more than a terminal holds
        with suppress(OSError):  # EIO, when the last process has closed the other side
            while piece := await trio.to_thread.run_sync(os.read, master, 100_000):
                shown[master] += piece

    try:
        with trio.fail_after(HANG_SECONDS):
            async with trio.open_nursery() as nursery:
                for master in masters:
                    nursery.start_soon(read, master)
                try:
                    await trio.run_process(
                        [sys.executable, "-m", "watcher", "check", *arguments],
                        cwd=folder.path,
                        env={**environment, "TERM": "xterm-256color", **variables},
                        stdout=slaves[0],
                        stderr=slaves[1],
                        check=False,
                    )
                finally:
                    for slave in slaves:
                        os.close(slave)
        stdout, stderr = (shown[master].decode().replace("\r\n", "\n") for master in masters)
        return stdout, stderr
    finally:
        for master in masters:
            os.close(master)


async def test_on_a_terminal_there_are_colours_and_a_bar_that_leaves_no_trace(folder: Folder) -> None:
    async with serving(answering(response())) as port:
        folder.configure([{"name": name, "address": f"http://127.0.0.1:{port}/"} for name in ("one", "two")])
        stdout, stderr = await shown_on_terminals(folder, "--all")
        assert stdout.count("\x1b[1;32mok") == 2
        assert "1/2" in stderr or "2/2" in stderr
        assert stderr.endswith("\x1b[2K")  # the line of the bar is erased
        assert "\x1b[?25h" in stderr.rpartition("\x1b[?25l")[2]  # and the cursor is back
        stdout, stderr = await shown_on_terminals(folder, "--all", NO_COLOR="1")
        assert "\x1b" not in stdout
        assert re.search("\x1b\\[[0-9;]*3[0-9]", stderr) is None


@pytest.mark.parametrize("arguments", [["--all"], ["Silent"], ["Silent", "--json"]])
async def test_an_interrupt_ends_it_quietly(folder: Folder, arguments: list[str]) -> None:
    came = trio.Event()

    async def tell(stream: trio.abc.Stream) -> None:
        came.set()
        await silent(stream)

    async with serving(tell) as port:
        folder.configure([{"name": "Silent", "address": f"http://127.0.0.1:{port}/"}])
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "watcher", "check", *arguments],
            cwd=folder.path,
            env=folder.env(),
            stdout=-1,
            stderr=-1,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        with trio.fail_after(HANG_SECONDS):
            await came.wait()
            process.send_signal(signal.SIGINT)
            status = await process.wait()
        async with process.stdout, process.stderr:
            assert await process.stdout.receive_some() == b""
            assert await process.stderr.receive_some() == b""
    assert status == 130


async def test_a_closed_pipe_causes_no_traceback(folder: Folder) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    async with serving(answering(response())) as port:
        folder.configure([{"address": f"http://127.0.0.1:{port}/"}])
        for arguments in (["--all"], ["--all", "--json"], [f"http://127.0.0.1:{port}/"]):
            with trio.fail_after(HANG_SECONDS):
                done = await trio.run_process(
                    [sys.executable, "-m", "watcher", "check", *arguments],
                    cwd=folder.path,
                    env=folder.env(),
                    stdout=writer,
                    capture_stderr=True,
                    check=False,
                )
            assert (done.returncode, done.stderr) == (1, b"")
    os.close(writer)


async def test_a_pager_that_is_not_read_holds_up_no_check(folder: Folder) -> None:
    """Twenty thousand lines do not fit in a pipe; the sites are checked all the same."""
    asked = 0
    all_asked = trio.Event()
    total = 1200

    async def count(stream: trio.abc.Stream) -> None:
        nonlocal asked
        asked += 1
        if asked == total:
            all_asked.set()

    async with serving(count) as port:
        folder.configure(
            [{"name": f"{number:0>190}", "address": f"http://127.0.0.1:{port}/"} for number in range(total)]
        )
        reader, writer = socket.socketpair()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "watcher", "check", "--all"], cwd=folder.path, env=folder.env(), stdout=writer
        )
        try:
            with trio.fail_after(HANG_SECONDS):
                await all_asked.wait()
            process.send_signal(signal.SIGINT)
            with trio.fail_after(HANG_SECONDS):
                assert await process.wait() == 130
        finally:
            process.kill()
            await process.wait()
            reader.close()
            writer.close()
