"""Two configurations are the same for replicas if they watch and notify in the same way."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from watcher.cluster.fingerprint import fingerprint_of
from watcher.config import load_configuration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIG = """
defaults: {interval: 5}
channels:
  - {name: ops, webhook: {url: "https://ops.example/"}}
  - {name: page-me, webhook: {url: "https://page.example/"}, events: [down, up]}
maintenance:
  - {weekdays: [sun, sat], start: "02:00", duration: 90m, timezone: Europe/Berlin}
urls:
  - name: shop
    address: https://shop.example/
    headers: {Authorization: "Bearer ${TOKEN}"}
    json: [{path: count, equals: 1}]
    alerts: [ops, {channel: page-me, after: 15m}]
  - name: blog
    address: https://blog.example/
    regex: "Hello"
"""
# Written differently, with the same meaning.
THE_SAME = {
    "as it is": [("", "")],
    "a comment": [("urls:", "urls:  # those")],
    "another spelling": [("90m", "5400"), ("[sun, sat]", "[sat, sun]"), ("interval: 5", "interval: 5s")],
    "a default": [("urls:", "urls:\n  # none"), ("regex:", "method: GET\n    regex:")],
}
OTHER = {
    "a target": [("name: blog", "name: log")],
    "an interval": [("interval: 5", "interval: 6")],
    "a pattern": [("Hello", "Hallo")],
    "a value that only looks the same": [("equals: 1", "equals: true")],
    "a channel": [("https://ops", "https://oops")],
    "what a channel is told of": [("[down, up]", "[down]")],
    "who is told": [("15m", "16m")],
    "a place": [("regex:", "locations: [fra]\n    regex:")],
    "how many places must agree": [("interval: 5", "interval: 5, locations: [fra, nyc, sgp], quorum: 3")],
    "a window": [("02:00", "03:00")],
}


def _fingerprint(folder: Path, text: str, variables: Mapping[str, str] | None = None) -> str:
    path = folder / "config.yaml"
    path.write_text(text)
    environment = {"CONFIG_FILE_PATH": str(path), "TOKEN": "one", **(variables or {})}
    configuration = load_configuration(folder / ".env", environment)
    return fingerprint_of(configuration.targets, configuration.alerting)


def _changed(changes: list[tuple[str, str]]) -> str:
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def _in_another_order(text: str) -> str:
    """Reorder the targets and the channels."""
    head, urls = text.split("urls:\n")
    shop, blog = urls.split("  - name: blog\n")
    lines = head.splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    return f"{''.join(lines)}urls:\n  - name: blog\n{blog}{shop}"


@pytest.mark.parametrize("name", THE_SAME)
def test_it_covers_the_effective_configuration(name: str, tmp_path: Path) -> None:
    assert _fingerprint(tmp_path, _changed(THE_SAME[name])) == _fingerprint(tmp_path, CONFIG)


def test_it_is_of_no_order_and_of_no_setting_that_is_a_machines_own(tmp_path: Path) -> None:
    variables = {"MAX_WORKERS": "3", "WATCHER_LOG_FORMAT": "json"}
    assert _fingerprint(tmp_path, _in_another_order(CONFIG), variables) == _fingerprint(tmp_path, CONFIG)


@pytest.mark.parametrize("name", OTHER)
def test_it_is_another_where_something_else_takes_effect(name: str, tmp_path: Path) -> None:
    assert _fingerprint(tmp_path, _changed(OTHER[name])) != _fingerprint(tmp_path, CONFIG)


def test_another_secret_is_another_configuration(tmp_path: Path) -> None:
    assert _fingerprint(tmp_path, CONFIG, {"TOKEN": "two"}) != _fingerprint(tmp_path, CONFIG)


def test_it_outlives_the_process(tmp_path: Path) -> None:
    """The order of a set, and of Python's own hash, differs between processes."""
    here = _fingerprint(tmp_path, CONFIG)
    code = (
        "import sys; from pathlib import Path; from watcher.config import load_configuration as load;"
        "from watcher.cluster.fingerprint import fingerprint_of as of;"
        "c = load(Path(sys.argv[1]) / '.env', {'CONFIG_FILE_PATH': sys.argv[1] + '/config.yaml', 'TOKEN': 'one'});"
        "print(of(c.targets, c.alerting))"
    )
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, str(tmp_path)]
        found = subprocess.run(command, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True)
        assert found.stdout.strip() == here
