"""`watcher notify --test`: what it sends and prints, and its exit status."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.unit.cli.test_commands import usage_error, watcher
from watcher.cli.notify_runner import send_and_show
from watcher.model.alerts.channel import Channel, ExecReceiver

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SAYS_THE_TITLE = "import json, sys; print(json.load(sys.stdin)['title'])"


def a_program(name: str, *command: str) -> Channel:
    """Make a channel that runs a program."""
    return Channel(name, ExecReceiver(command), timeout_seconds=60.0)


def test_each_channel_is_a_line_and_one_that_fails_is_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the channels, whichever answers first."""
    channels = [
        a_program("page-me", sys.executable, "-c", SAYS_THE_TITLE),
        a_program("a\nb", sys.executable, "-c", "raise SystemExit('busy')"),
        a_program("gone", "/no/such/program"),
    ]
    assert send_and_show(channels[:1], as_json=False) == 0
    assert capsys.readouterr().out == "page-me  delivered  exit status 0: Test of watcher\n"
    assert send_and_show(channels, as_json=False) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        r"a\nb     failed     exit status 1: busy",
        "gone     refused    cannot start /no/such/program: No such file or directory",
    ]
    assert send_and_show(channels, as_json=True) == 1
    documents = json.loads(capsys.readouterr().out)
    assert [(one["channel"], one["result"]) for one in documents] == [
        ("page-me", "delivered"),
        ("a\nb", "failed"),
        ("gone", "refused"),
    ]
    assert all(one["duration_ms"] > 0 and one["answer"] for one in documents)


CONFIG = """
urls: [{address: "https://example.com/"}]
channels:
  - {name: page-me, exec: [/bin/sh, -c, "cat > got.json; echo paged"]}
  - {name: other, exec: [/no/such/program]}
"""


def test_channels_of_the_config_file_are_tried_by_name(tmp_path: Path) -> None:
    """Needs neither a database nor a daemon; a missing or unknown channel is a usage error."""
    (tmp_path / ".env").write_text("CONFIG_FILE_PATH=config.yaml\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    assert usage_error(watcher(tmp_path, "notify")) == "--test is missing; it sends a test message"
    line = usage_error(watcher(tmp_path, "notify", "--test", "page_me"))
    assert line == "no channel is called 'page_me'; did you mean page-me?"

    result = watcher(tmp_path, "notify", "--test", "page-me")
    assert (result.exit_code, result.stdout) == (0, "page-me  delivered  exit status 0: paged\n")
    assert json.loads((tmp_path / "got.json").read_bytes())["kind"] == "test"
    assert watcher(tmp_path, "notify", "--test").exit_code == 1

    (tmp_path / "config.yaml").write_text(CONFIG.partition("channels")[0], encoding="utf-8")
    assert usage_error(watcher(tmp_path, "notify", "--test")) == "the config file does not have `channels`; add one"
