"""`watcher validate --show`: the configuration as it takes effect."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.typed import typed, write
from watcher.cli.effective_yaml import scalar

CONFIG = """\
defaults:
  timeout: 500ms
  basic_auth: {username: u, password: hunter2}
urls:
  - address: https://u:hunter2@a.example/?token=hunter2
    interval: 5
    headers: {Accept: text/html, X-Thing: hunter2}
    body: hunter2
    regex: "it's: #1"
    valid_status_codes: [200, 300-399]
    proxy_url: http://u:hunter2@proxy:3128
    json: [{path: a, equals: {"yes": [1, null, "世\\x85"]}}]
  - {name: "two: #2", address: https://b.example/, tls_config: {min_version: TLS13}, enabled: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a configuration of all kinds."""
    write(tmp_path, CONFIG, "MAX_WORKERS=20\nPOSTGRES_PASSWORD=hunter2\n")
    return tmp_path


def test_all_is_shown_with_its_defaults_and_without_secrets(folder: Path) -> None:
    result = typed(folder, "validate", "--show", WATCHER_LOCATION="moon: #1")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    shown = yaml.safe_load(result.stdout)
    first, second = shown["urls"]
    expected = {
        "name": "https://a.example/?token=***",
        "address": "https://a.example/?token=***",
        "interval": 5,
        "timeout": 0.5,
        "retries": 0,
        "headers": {"Accept": "text/html", "X-Thing": "***"},
        "authorization": {"type": "Basic", "credentials": "***"},
        "body": "***",
        "fail_if_body_not_matches_regexp": ["it's: #1"],
        "valid_status_codes": ["200", "300-399"],
        "proxy_url": "http://proxy:3128",
        "json": [{"path": "a", "equals": {"yes": [1, None, "世\x85"]}}],
    }
    assert {key: first.get(key) for key in expected} == expected
    assert (second["name"], second["enabled"], second["tls_config"]) == ("two: #2", False, {"min_version": "TLS13"})
    assert '  - name: "two: #2"\n    address: "https://b.example/"\n    enabled: false\n' in result.stdout


def test_each_setting_says_where_it_is_from(folder: Path) -> None:
    lines = typed(folder, "validate", "--show", "config.yaml", WATCHER_LOCATION="moon: #1").stdout.splitlines()
    assert '  MAX_WORKERS: "20"  # .env:2:1' in lines
    assert '  WATCHER_LOCATION: "moon: #1"  # environment' in lines
    assert "  POSTGRES_HOST: null  # default" in lines
    assert '  POSTGRES_PASSWORD: "***"  # .env:3:1' in lines
    assert "  CONFIG_FILE_PATH: config.yaml  # FILE" in lines


def test_what_is_in_a_file_is_not_shown(folder: Path) -> None:
    (folder / "user").write_text("hunter2", encoding="utf-8")
    output = typed(folder, "validate", "--show", POSTGRES_USER_FILE="user").output
    assert '  POSTGRES_USER: "***"  # POSTGRES_USER_FILE' in output.splitlines()
    assert "hunter2" not in output


def test_machines_get_the_same(folder: Path) -> None:
    document = json.loads(typed(folder, "validate", "--json", "--show").stdout)
    assert document["configuration"]["settings"]["MAX_WORKERS"] == {"value": "20", "from": ".env:2:1"}
    assert [target["name"] for target in document["configuration"]["urls"]] == [
        "https://a.example/?token=***",
        "two: #2",
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_every_value_is_yaml_of_one_line(value: Any) -> None:
    text = scalar(value)
    assert text.isprintable() or "\xa0" in text or not text.isascii()
    assert len(text.splitlines()) == 1
    assert yaml.safe_load(f"a: {text}  # b") == {"a": value}
