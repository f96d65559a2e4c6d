"""`watcher validate --show`: the effective configuration."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from trustme import CA

from tests.unit.cli.typed import typed, write
from watcher.cli.config_view.effective_yaml import dumped
from watcher.config import load_configuration
from watcher.config.env.settings import load_settings
from watcher.config.schema.config_file import KNOWN_KEYS
from watcher.config.targets.build import parse_targets
from watcher.config.yaml.document import parse_yaml

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
page: {title: "1: #2", intro: "a\\nb"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a configuration that uses every kind of key."""
    write(tmp_path, CONFIG, "MAX_WORKERS=20\nPOSTGRES_PASSWORD=hunter2\n")
    return tmp_path


def test_all_is_shown_with_its_defaults_and_without_secrets(folder: Path) -> None:
    result = typed(folder, "validate", "--show", WATCHER_LOCATION="moon: #1")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    shown = yaml.safe_load(result.stdout)
    first, second = shown["urls"]
    assert shown["page"] == {"title": "1: #2", "intro": "a\nb"}
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
    assert "# MAX_WORKERS=20  (.env:2:1)" in lines
    assert "# WATCHER_LOCATION=moon: #1  (environment)" in lines
    assert "# POSTGRES_HOST=  (default)" in lines
    assert "# POSTGRES_PASSWORD=***  (.env:3:1)" in lines
    assert "# CONFIG_FILE_PATH=config.yaml  (FILE)" in lines


def test_the_content_of_files_is_not_shown(folder: Path) -> None:
    (folder / "user").write_text("hunter2", encoding="utf-8")
    output = typed(folder, "validate", "--show", POSTGRES_USER_FILE="user").output
    assert "# POSTGRES_USER=***  (POSTGRES_USER_FILE)" in output.splitlines()
    assert "hunter2" not in output


def test_machines_get_the_same(folder: Path) -> None:
    document = json.loads(typed(folder, "validate", "--json", "--show").stdout)
    assert document["configuration"]["settings"]["MAX_WORKERS"] == {"value": "20", "from": ".env:2:1"}
    assert [target["name"] for target in document["configuration"]["urls"]] == [
        "https://a.example/?token=***",
        "two: #2",
    ]


# Every key, with values that are easily mistaken; secrets as they are shown.
EVERY_KEY = r"""
defaults:
  group: "$$$${G} $${G} $"
urls:
  - address: "https://a.example/$${A}?token=***"
    name: "010"
    enabled: false
    interval: 1m0.25s
    timeout: 1500ms
    retries: 3
    retry_interval: 0
    recheck_interval: 20ms
    failure_threshold: 2
    success_threshold: 4
    locations: ["010", "a, b", "yes"]
    quorum: 1
    method: post
    headers: {Accept: "a/$${b}", "X-$A": "***", "1": "***", "No": "***"}
    body: "***"
    authorization: {type: Token, credentials: "***"}
    follow_redirects: false
    max_redirects: 0
    valid_status_codes: [200, 300-399]
    regex: "^a$$$${b}$"
    fail_if_body_matches_regexp: ["$$", "1:30", "0x5", "yes", "\u2028\ufffe"]
    fail_if_body_not_matches_regexp: [a, "- b"]
    fail_if_header_matches: [{header: X-A, regexp: "$${A}"}]
    fail_if_header_not_matches: [{header: X-A, regexp: ".", allow_missing: true}]
    json:
      - {path: a, equals: {"${A}": "$${A}", b: [null, 1e-12, 1.5e+300, 1, true, "1e3", 1.0]}}
      - {path: b, equals: 1e-12}
      - {path: c, equals: null}
    body_size_limit: 1000
    degraded_after: 0.1ms
    cert_expiry_days: 0.5
    tls_config: {ca_file: ca.pem, cert_file: me.pem, key_file: me.key, server_name: b.example, min_version: TLS11,
      max_version: TLS12, insecure_skip_verify: true}
    preferred_ip_protocol: ip6
    resolve_to: 203.0.113.7
    proxy_url: socks5://proxy:1080
    http_version: "1.1"
    keep_alive: true
    alerts: ["010", {channel: "$${A}: #", after: 90s}]
    depends_on: ["1e3", {group: "$$"}]
    maintenance:
      - {start: "2026-12-01 22:00:30+05:30", duration: 1.5h, why: "yes: #"}
      - {start: "2:00", duration: 90m, weekdays: [sun, mon], timezone: Europe/Berlin}
    description: "a: #\nb $${A} 世"
    labels: {"no": "on", team: "$${A}"}
  - address: https://b.example/LONG
    alerts: []
    group: "$$"
    basic_auth: {username: u, password: p}
    allow_private: false
    http_version: 2
  - {address: "https://c.example/", name: "1e3"}
channels:
  - name: "010"
    url: "ntfys://***"
    default: false
    events: [degraded]
    group_wait: 0
    group_interval: 0.5
    group_by: [target]
    reminder_interval: 0
    quiet_hours: [{start: "22:00", end: "7:00", weekdays: [fri]}, {start: "0:00", end: "0:00", timezone: Asia/Kolkata}]
    timeout: 1.5s
    allow_private: false
    give_up_after: 1d
    title: "{{ title }} $${A}: #"
    body: "***"
  - name: "$${A}: #"
    webhook: {url: "https://h.example:1/***", secret: "***", headers: {"X-$A": "***", Accept: "$${A}"}}
    group_by: [group]
  - {name: c, exec: ["/bin/$${A}", "***", "***"]}
  - {name: d, alertmanager: {url: "http://h.example:9093/am/"}}
connectivity: {targets: ["https://one.example/$${A}"], interval: 1}
heartbeat: {url: "https://h.example/***", interval: 1h}
maintenance:
  - {cron: "*/5 3 1,l * sun#2", duration: 1m, targets: ["010"]}
  - {start: "23:59", duration: 400d, group: "$$$${G} $${G} $"}
"""


def test_the_shown_configuration_can_be_read_again(tmp_path: Path) -> None:
    config = EVERY_KEY.replace("LONG", "x" * 3000)
    keys = {*KNOWN_KEYS["urls"], *KNOWN_KEYS["channels"], *KNOWN_KEYS["maintenance"]} - {"url_file"}
    assert {key for key in keys if f"{key}: " not in config and f" {key}:\n" not in config} == set()
    write(tmp_path, config, "MAX_INTERVAL_VAL=3600\n")
    authority = CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("me.example")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "me.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "me.key"))
    result = typed(tmp_path, "validate", "--show")
    assert result.exit_code == 0, result.output
    variables = {"CONFIG_FILE_PATH": str(tmp_path / "config.yaml"), "MAX_INTERVAL_VAL": "3600"}
    settings = load_settings(tmp_path / "no such file", variables)
    first, second, _ = parse_targets("c.yaml", config.encode(), settings)
    again = parse_targets("shown.yaml", result.stdout.encode(), settings)
    assert again[0] == first
    assert again[1].sending.authorization == "Basic ***"
    assert replace(again[1], sending=second.sending) == second
    before = load_configuration(tmp_path / "no such file", variables, with_warnings=False)
    (tmp_path / "config.yaml").write_text(result.stdout, encoding="utf-8")
    after = load_configuration(tmp_path / "no such file", variables, with_warnings=False)
    assert (after.alerting, after.page) == (before.alerting, before.page)
    assert typed(tmp_path, "validate", "--show").stdout == result.stdout


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_every_value_is_yaml_of_one_line(value: Any) -> None:
    text = dumped({"a": [value]})
    assert text.isprintable() or "\xa0" in text or not text.isascii()
    assert len(text.splitlines()) == 1
    assert parse_yaml("c.yaml", f"{text}  # b".encode()).data == {"a": [value]}


ANYWHERE = """\
urls:
  - address: https://h.example/${SHOP_TOKEN}/x
    name: n ${SHOP_TOKEN}
    group: ${PIN_TOKEN}
    regex: "(${SHOP_TOKEN}|${WORD})"
    json: [{path: a, equals: {b: ["${SHOP_TOKEN}"]}}]
    fail_if_header_matches: [{header: X, regexp: "${SHOP_TOKEN}"}]
    tls_config: {server_name: "${SHOP_TOKEN}.example"}
"""
CHANGED = """\
urls:
  - {address: "${HOOK_TOKEN}", method: "${WORD_TOKEN}"}
  - {address: "https://h.example/${PATH_TOKEN}"}
"""


@pytest.mark.parametrize("arguments", [["--show"], ["--show", "--json"]])
@pytest.mark.parametrize(
    ("config", "env", "shown"),
    [
        (ANYWHERE, "SHOP_TOKEN=hunter2\nWORD=word\nPIN_TOKEN=1a\n", ["(***|word)", "https://h.example/***/x"]),
        (
            CHANGED,
            "HOOK_TOKEN=https://u:pw@hooks.example/T0/hunter2?x=1\nPATH_TOKEN=T0/hunter2?y=1\nWORD_TOKEN=hunter2\n",
            [],
        ),
    ],
    ids=["anywhere", "changed"],
)
def test_secrets_from_variables_are_shown_nowhere(
    tmp_path: Path, config: str, env: str, shown: list[str], arguments: list[str]
) -> None:
    write(tmp_path, config, env)
    result = typed(tmp_path, "validate", *arguments)
    assert result.exit_code == 0
    assert "hunter2" not in result.output.lower()
    assert "1a" not in result.output
    assert [piece for piece in shown if piece not in result.stdout] == []
