"""Both formats from end to end: a site sends back everything it gets, and each line is valid and without a secret."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import trio

from tests.integration.daemon import Daemon, Folder
from tests.integration.sites import read_request, response, serving

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cr et/Zq7x"
QUOTED = "s3cr%20et%2FZq7x"
NO_DATABASE = {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": 1, "POSTGRES_PASSWORD": "pw-Zq7x"}
STATUSES = {"/fails": "503 Out: ", "/redirects": "302 Found", "/fine": "200 OK"}


async def echoing(stream: trio.abc.Stream) -> None:
    """Answer with the whole request, in the status line, headers, body and the address of a redirect."""
    head = (await read_request(stream)).decode("latin-1")
    line, *headers = head.split("\r\n")
    path, _, query = line.split(" ")[1].partition("?")
    told = " ".join([query, unquote(query), *headers])
    status = STATUSES[path] + (told if path == "/fails" else "")
    location = f"Location: http://eve:{QUOTED}@127.0.0.1:1/x?{query}\r\n" if path == "/redirects" else ""
    echo = f"X-Echo: {told}\r\nServer: {told}\r\n{location}Set-Cookie: a={told}\r\n"
    await stream.send_all(response(told.encode(), status, echo))


def urls(port: int) -> list[dict[str, object]]:
    """Return targets of all kinds, with a secret in every place that may have one."""
    authority = f"someone:{QUOTED}@127.0.0.1:{port}"
    shared = {"interval": 0.3, "headers": {"X-Api-Key": SECRET, "Cookie": f"session={SECRET}"}}
    return [
        {"name": 'fine "é\\ =x', "address": f"http://{authority}/fine?token={QUOTED}", **shared},
        {"name": "fails", "address": f"http://127.0.0.1:{port}/fails?token={QUOTED}", **shared},
        {"name": "redirects", "address": f"http://{authority}/redirects?{QUOTED}", **shared},
        {"name": "dead", "address": f"http://someone:{QUOTED}@127.0.0.1:1/", **shared},
    ]


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_a_site_that_sends_secrets_back(tmp_path: Path, log_format: str) -> None:
    folder = Folder(tmp_path, {"WATCHER_LOG_FORMAT": log_format})
    async with serving(echoing) as port:
        folder.configure(urls(port), **NO_DATABASE)
        async with folder.daemon() as daemon:
            await daemon.until(lambda: len(folder.successes()) >= 3)
            await daemon.until(
                lambda: all(daemon.lines(name) for name in ("fails", "redirects", "dead", "database una"))
            )
            status, _ = await daemon.stop()
    assert status == 0
    told, lines = daemon.lines(), folder.successes()
    for line in told + lines:
        assert "Zq7x" not in line
        assert line.isprintable()
    if log_format == "text":
        assert all(line[23] == "Z" for line in told + lines)
        return
    events = [json.loads(line) for line in told]
    assert [events[0]["event"], events[-1]["event"]] == ["started", "stopped"]
    reasons = {event["reason"] for event in events if event["event"] == "failure"}
    assert {"status", "connect"} <= reasons <= {"status", "connect", "timeout", "local"}, (
        reasons
    )  # as host names may be
    of_checks = {"failure", "up", "down", "unknown"}
    assert all(list(event)[:2] == ["time", "level"] or event["event"] in of_checks for event in events)
    [up, *_] = [event for event in events if event["event"] == "up"]
    assert (up["target"], up["url"]) == ('fine "é\\ =x', f"http://127.0.0.1:{port}/fine?token=***")
    for success in map(json.loads, lines):
        assert (success["event"], success["target"], success["status"]) == ("success", 'fine "é\\ =x', 200)
        assert success["url"] == f"http://127.0.0.1:{port}/fine?token=***"
        assert 0 <= success["connect_ms"] <= success["duration_ms"]


async def test_the_format_changes_with_a_reload(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    async with serving(echoing) as port:
        folder.configure(urls(port), **NO_DATABASE, WATCHER_RELOAD="off")
        async with folder.daemon() as daemon:
            await daemon.until(folder.successes)
            folder.configure(urls(port), **NO_DATABASE, WATCHER_RELOAD="off", WATCHER_LOG_FORMAT="json")
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.until(lambda: [line for line in folder.successes() if line.startswith("{")])
            await daemon.until(lambda: [line for line in daemon.lines('"failure"') if line.startswith("{")])
            await daemon.until(lambda: daemon.lines("reloaded"))
            assert json.loads(daemon.lines("reloaded")[0])["settings"] == ["WATCHER_LOG_FORMAT"]
            folder.configure(urls(port), **NO_DATABASE, WATCHER_RELOAD="off")
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.until(lambda: [line for line in daemon.lines("reloaded") if not line.startswith("{")])
            await daemon.until(lambda: not folder.successes()[-1].startswith("{"))
            await daemon.stop()


async def test_a_stderr_without_a_reader_does_not_stop_the_daemon(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    async with serving(echoing) as port:
        folder.configure(urls(port), **NO_DATABASE)
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "watcher"]
        process = await trio.lowlevel.open_process(command, cwd=tmp_path, env=folder.env(), stderr=writing)
        os.close(writing)
        os.close(reading)
        (tmp_path / "stderr.log").touch()
        daemon = Daemon(process, tmp_path / "stderr.log")
        try:
            await daemon.until(lambda: len(folder.successes()) >= 3)
            status, seconds = await daemon.stop()
        finally:
            if process.returncode is None:
                process.kill()
    assert status == 0
    assert seconds < 5


async def test_a_mistake_on_reload_is_an_event(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    async with serving(echoing) as port:
        settings = {**NO_DATABASE, "WATCHER_RELOAD": "off", "WATCHER_LOG_FORMAT": "json"}
        folder.configure(urls(port), **settings)
        async with folder.daemon() as daemon:
            await daemon.until(folder.successes)
            folder.configure([{**urls(port)[0], "regx": SECRET}], **settings)
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.until(lambda: daemon.lines("regx"))
            await daemon.stop()
    event = json.loads(daemon.lines("regx")[0])
    expected = {
        "level": "error",
        "event": "the configuration has a mistake",
        "file": "config.yaml",
        "where": "urls[0].regx",
    }
    assert {**event, **expected} == event
    assert (event["message"], event["line"] > 1) == ("unknown key; did you mean regex?", True)
    assert all(json.loads(line) for line in daemon.lines())
