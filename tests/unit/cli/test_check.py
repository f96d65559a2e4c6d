"""`watcher check`: its arguments and its output."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import chdir, closing, redirect_stdout
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trio
from click.testing import CliRunner, Result
from rich.text import Text

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.cli import main
from watcher.cli.views.screen import Screen
from watcher.config.env.settings import DEFAULTS
from watcher.model.outcome import Phases
from watcher.reporting.outcomes import outcome_as_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = ["target", "address", "ok", "reason", "detail", "degraded", "started_at", "duration_ms", "phases_ms"]
KEYS += ["status_code", "http_version", "ip", "redirects", "body_bytes", "cert_expires_at", "notes"]
PHASES = ["resolve", "connect", "tls", "processing", "transfer"]


@pytest.fixture
def dead() -> Iterator[str]:
    """A port that refuses connections: it is bound, so that no other program gets it, but does not listen."""
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/"


@pytest.fixture
def folder(tmp_path: Path, dead: str) -> Path:
    """A working folder with three targets that do not answer."""
    (tmp_path / ".env").write_text("CONFIG_FILE_PATH=config.yaml\n", encoding="utf-8")
    urls = [f"{{name: Zebra, address: '{dead}'}}", f"{{name: Checkout, address: '{dead}?token=hunter2'}}"]
    urls.append(f"{{address: '{dead}unnamed'}}")
    (tmp_path / "config.yaml").write_text(f"urls: [{', '.join(urls)}]\n", encoding="utf-8")
    return tmp_path


def check(folder: Path, *arguments: str, **variables: str) -> Result:
    """Run the command in this process, without any setting of the environment."""
    environment = {**dict.fromkeys(DEFAULTS), **variables}
    with chdir(folder):
        return CliRunner().invoke(main, ["check", *arguments], env=environment, catch_exceptions=False)


def usage_error(result: Result) -> str:
    """Return the one line of a usage error."""
    assert (result.exit_code, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    return str(line).removeprefix("watcher: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "nothing to check; give an address, the name of a target, or --all"),
        (["--json"], "nothing to check; give an address, the name of a target, or --all"),
        (["--all", "Checkout"], "--all checks all targets; remove it, or the names"),
        (["Chekout"], "no target is called 'Chekout'; did you mean Checkout?"),
        (["example.com"], "no target is called 'example.com'; an address starts with https:// or http://"),
        (["x\n\x1b[31m"], r"no target is called 'x\n\x1b[31m'; an address starts with https:// or http://"),
        (["ftp://u:hunter2@x/"], "'ftp://x/' is not an http or https URL; write it as in https://example.com/"),
        (["https://"], "'https://' has no host; write it as in https://example.com/"),
        (["http://127.0.0.1:1/", "https://:x"], "has no host; write it as in https://example.com/"),
        (["https://x/?token=hunter2 y"], "has a space or an unprintable character; percent-encode it, as in %20"),
    ],
)
def test_a_usage_error_is_one_line_and_checks_nothing(folder: Path, arguments: list[str], line: str) -> None:
    said = usage_error(check(folder, *arguments))
    assert said.endswith(line)
    assert "hunter2" not in said


def test_an_address_needs_no_configuration(tmp_path: Path, dead: str) -> None:
    result = check(tmp_path, dead)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines()[0] == dead
    assert "connect: cannot connect: Connection refused" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("env", "config"),
    [
        ("POSTGRES_PORT=x\n", ""),
        ("CONFIG_FILE_PATH=nope.yaml\n", ""),
        ("CONFIG_FILE_PATH=config.yaml\n", "urls: ["),
        ("CONFIG_FILE_PATH=config.yaml\nMAX_WORKERS=many\n", "urls: [{address: nohost}]\n"),
        ("CONFIG_FILE_PATH=.\n", ""),
    ],
)
def test_a_broken_configuration_is_nothing_to_an_address_but_something_to_a_name(
    tmp_path: Path, dead: str, env: str, config: str
) -> None:
    (tmp_path / ".env").write_text(env, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    result = check(tmp_path, dead)
    assert (result.exit_code, result.stderr) == (1, "")
    for arguments in (["Checkout"], ["--all"], [dead, "Checkout"]):
        result = check(tmp_path, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr


def test_an_address_or_name_of_the_config_is_checked_as_it_says_there(folder: Path, dead: str) -> None:
    arguments = ["Checkout", f"{dead}?token=hunter2", f"{dead}?token=***", f"{dead}unnamed", f"{dead}other?a=b"]
    result = check(folder, "--json", *arguments)
    assert [found["target"] for found in json.loads(result.stdout)] == [
        "Checkout",  # once, under any name
        f"{dead}?token=***",
        f"{dead}unnamed",
        f"{dead}other?a=***",
    ]
    assert "hunter2" not in result.stdout


def test_json_is_one_document_in_the_order_of_asking(folder: Path, dead: str) -> None:
    result = check(folder, "--json", "Zebra", "Checkout")
    assert (result.exit_code, result.stderr) == (1, "")
    found = json.loads(result.stdout)
    assert [one["target"] for one in found] == ["Zebra", "Checkout"]
    for one in found:
        assert list(one) == KEYS
        assert (one["ok"], one["reason"], one["detail"]) == (False, "connect", "cannot connect: Connection refused")
        assert list(one["phases_ms"]) == PHASES
        nothing = ["degraded", "status_code", "http_version", "redirects", "body_bytes", "cert_expires_at"]
        assert [one[key] for key in nothing] == [None] * len(nothing)


def test_all_of_them_are_a_line_each_and_a_count_at_the_end(folder: Path, dead: str) -> None:
    result = check(folder, "--all")
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert [line.split()[:1] for line in lines[:3]] == [["connect"]] * 3
    assert [re.split(" {2,}", line)[2] for line in lines[4:7]] == ["Checkout", "Zebra", f"{dead}unnamed"]
    assert lines[7:] == ["0 succeed, 3 fail"]
    assert len(json.loads(check(folder, "--all", "--json").stdout)) == 3


def test_json_has_the_keys_that_are_promised() -> None:
    outcome = an_outcome(
        degraded="slow",
        http_version="2",
        ip="203.0.113.7",
        redirects=1,
        cert_expires_at=MOMENT + timedelta(days=1),
        phases=Phases(connect=0.012, tls=0.0402, processing=0.0801, transfer=0.0078),
        notes=("the response has its Content-Length twice",),
    )
    assert outcome_as_json(outcome) == {
        "target": "Checkout",
        "address": "https://shop.example/health",
        "ok": True,
        "reason": None,
        "detail": None,
        "degraded": "slow",
        "started_at": "2026-11-23T15:20:55.857Z",
        "duration_ms": 143.2,
        "phases_ms": {"resolve": None, "connect": 12.0, "tls": 40.2, "processing": 80.1, "transfer": 7.8},
        "status_code": 200,
        "http_version": "2",
        "ip": "203.0.113.7",
        "redirects": 1,
        "body_bytes": 1256,
        "cert_expires_at": "2026-11-24T15:20:55.857Z",
        "notes": ["the response has its Content-Length twice"],
    }
    failed = outcome_as_json(a_failure())
    assert (failed["ok"], failed["reason"], failed["detail"]) == (False, "status", "503 Service Unavailable")
    assert type(failed["reason"]) is str


def test_off_a_terminal_nothing_is_coloured_wrapped_or_filled(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(1, with_bar=True).print(Text(f"{'x' * 5000} end  ", "red"))
    assert capsys.readouterr() == (f"{'x' * 5000} end\n", "")


async def test_a_terminal_shows_results_as_they_arrive() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stdout, redirect_stdout(stdout):
        screen = Screen(2, with_bar=False)
        with trio.fail_after(60):
            async with trio.lowlevel.FdStream(reader) as shown, trio.open_nursery() as nursery:
                nursery.start_soon(screen.run)
                screen.put(Text("one"))
                assert await shown.receive_some() == b"one\n"
                assert nursery.child_tasks
                screen.put(Text("two"))
                assert await shown.receive_some() == b"two\n"
