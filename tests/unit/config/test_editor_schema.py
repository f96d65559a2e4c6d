"""The JSON Schema for editors accepts what the reader accepts, and refuses other shapes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from watcher.config.schema.config_file import SHAPES
from watcher.config.schema.editor_schema import editor_schema
from watcher.config.schema.keys import keys_of
from watcher.config.yaml.loader import Loader

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
SCHEMA = editor_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

# What every user may rely on.
WRITTEN_KEYS = """
    address name group interval timeout method headers body valid_status_codes regex fail_if_body_matches_regexp
    fail_if_body_not_matches_regexp fail_if_header_matches fail_if_header_not_matches json follow_redirects
    max_redirects body_size_limit degraded_after cert_expiry_days basic_auth authorization tls_config
    preferred_ip_protocol resolve_to proxy_url http_version keep_alive retries retry_interval failure_threshold
    success_threshold recheck_interval allow_private enabled alerts depends_on maintenance description labels
    locations quorum
"""
KEYS = frozenset(WRITTEN_KEYS.split())
ALL_KEYS = """
x-shop: {anything: [1]}
defaults: {interval: 10, timeout: 10, max_redirects: 10}
urls:
  - address: https://example.com/
    interval: 5
    regex: "Example Domain"
  - name: Checkout
    group: shop
    address: https://shop.example/health
    method: POST
    headers: {Accept: application/json}
    body: '{"ping": true}'
    timeout: 2
    valid_status_codes: [200, "300-399"]
    fail_if_body_matches_regexp: ["maintenance", "error code [0-9]+"]
    fail_if_body_not_matches_regexp: ["ok"]
    fail_if_header_matches: [{header: X-Cache, regexp: STALE}]
    fail_if_header_not_matches: [{header: Content-Type, regexp: json, allow_missing: false}]
    json: [{path: "status.db", equals: "ok"}, {path: a, equals: null}]
    follow_redirects: true
    body_size_limit: 1048576
    degraded_after: 1500ms
    cert_expiry_days: 14
    basic_auth: {username: u, password_file: /run/secrets/p}
    tls_config: {insecure_skip_verify: false, ca_file: x, cert_file: x, key_file: x, server_name: x, min_version: TLS12}
    preferred_ip_protocol: ip4
    resolve_to: 203.0.113.7
    proxy_url: http://proxy:3128
    http_version: auto
    keep_alive: false
    retries: 0
    retry_interval: 1s
    failure_threshold: 3
    success_threshold: 2
    recheck_interval: 2s
    allow_private: true
    enabled: true
    alerts: [ops, {channel: page-me, after: 15m}]
    depends_on: [Router, {group: core}, {target: Router}]
    maintenance: [{weekdays: [sat], start: "02:00", duration: 90m, timezone: Europe/Berlin}]
    description: "Runbook: https://wiki.example/shop"
    labels: {team: web}
    locations: [fra, nyc, sgp]
    quorum: 2
  - {address: "HTTPS://example.com", authorization: {credentials_file: t}, http_version: 1.1, interval: 1m30s}
  - {address: "https://example.com/2", http_version: "2.0", interval: 0.5, cert_expiry_days: 0.5, regex: ""}
channels:
  - name: ops
    url: "ntfys://ntfy.example/ops"
    default: true
    events: [down, up, degraded, unknown, certificate, flapping]
    group_wait: 10s
    group_interval: 1m
    group_by: [group]
    reminder_interval: 0
    quiet_hours: [{start: "22:00", end: "07:00", timezone: Europe/Berlin, weekdays: [mon, tue, wed, thu, fri]}]
    timeout: 10s
    allow_private: true
    give_up_after: 24h
    title: "{{ title }}"
    body: "{{ text }}"
  - {name: hook, webhook: {url: "https://hooks.example/x", secret_file: hook, headers: {X-Team: web}}, group_by: []}
  - {name: page-me, exec: [/usr/local/bin/page, --urgent], default: false}
  - {name: am, alertmanager: {url: "http://alertmanager:9093"}}
  - {name: other, url_file: url}
connectivity: {targets: ["https://one.one.one.one/", "https://dns.google/"], interval: 30s}
heartbeat: {url: "https://hc-ping.example/uuid", interval: 60s}
maintenance:
  - {start: "2026-12-01T22:00", duration: 2h, timezone: Europe/Berlin, why: move to the new rack}
  - {cron: "0 3 1 * *", duration: 1h, timezone: UTC, group: shop}
  - {start: "2026-12-01 22:00+01:00", duration: 1h, targets: [Checkout]}
"""
VARIABLES = """
defaults: {basic_auth: {username: "${USER:-me}", password: "${PASSWORD}"}}
urls:
  - address: ${ADDRESS}
    interval: ${INTERVAL:-10}
    timeout: "${SECONDS}s"
    follow_redirects: ${FOLLOW}
    max_redirects: ${MAX}
    valid_status_codes: ["${LOW}-${HIGH}"]
    cert_expiry_days: ${DAYS}
    http_version: ${VERSION}
    preferred_ip_protocol: ${PROTOCOL:-any}
    proxy_url: ${PROXY}
    alerts: ["${CHANNEL}", {channel: "${CHANNEL}", after: "${AFTER}"}]
    tls_config: {min_version: "${OLDEST}"}
"""

# Not a matter of shape: it depends on other values, on the settings, on files, or on its own grammar.
ACCEPTED = {
    "bad": """
        address_bad_name address_long_label address_password_with_slash address_port_0 address_port_99999
        address_two_dots default_names_equal interval_above interval_below interval_huge interval_inf interval_nan
        name_newline names_equal regex_bad regex_too_large timeout_above_default_interval timeout_above_interval
    """,
    "bad_options": """
        authorization_line_break authorization_type basic_auth_and_header basic_auth_missing_file body_regexp_bad
        degraded_after_zero header_match_bad header_name header_of_the_connection header_twice header_value_line_break
        json_bytes json_path_bad method_connect method_with_space proxy_and_private proxy_no_host proxy_path
        quorum_above quorum_in_defaults quorum_without_locations
        recheck_interval_above recheck_interval_in_defaults recheck_interval_too_short resolve_to_name
        head_has_no_body status_codes_reversed tls_missing_ca_file tls_no_version_left tls_server_name
    """,
    "bad_alerts": """
        alerts_twice alerts_unknown_channel channel_exec_empty channel_file_missing channel_name_twice
        connectivity_no_http depends_on_circle depends_on_its_group depends_on_itself depends_on_unknown
        depends_on_unknown_default labels_bad maintenance_cron_and_start maintenance_cron_bad
        maintenance_group_and_targets maintenance_never maintenance_of_an_entry maintenance_skipped_time
        maintenance_timezone maintenance_unknown_group maintenance_weekday_of_a_date maintenance_why webhook_headers
    """,
}
# An editor's YAML reports these, or they never end.
NO_YAML = """
    alias_of_itself bad_yaml billion_laughs control_character doubled_key doubled_keys json_endless key_is_a_list
    key_is_no_text keys_of_all_kinds python_object tab two_documents undefined_alias
"""
SHAPELESS = [
    path
    for folder in ACCEPTED
    for path in sorted((HERE / folder).glob("*.yaml"))
    if path.stem not in (NO_YAML + ACCEPTED[folder]).split()
]


def read(text: str | bytes) -> Any:
    """Read YAML as the program does, without inserting variables."""
    return yaml.load(text, Loader)


def complaints_about(data: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(data)]


def nodes(value: Any) -> Iterator[Any]:
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(part)


def test_it_is_a_schema_with_a_description() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"].endswith("/2020-12/schema")
    assert all(SCHEMA[key] for key in ("$id", "title", "description"))


@pytest.mark.parametrize(
    "text", [ALL_KEYS, VARIABLES, "defaults: {interval: 10}"], ids=["all", "variables", "defaults"]
)
def test_valid_files_are_accepted(text: str) -> None:
    assert complaints_about(read(text)) == []


def test_the_shipped_file_is_taken_and_names_its_schema() -> None:
    text = (ROOT / "config" / "config.yaml").read_text(encoding="utf-8")
    assert complaints_about(read(text)) == []
    assert text.splitlines()[0] == "# yaml-language-server: $schema=schema.json"


def test_every_key_is_in_it() -> None:
    entry = SCHEMA["$defs"]["UrlEntry"]
    assert set(entry["properties"]) == KEYS
    assert set(SCHEMA["$defs"]["Options"]["properties"]) == KEYS - {"address", "name"}
    assert entry["required"] == ["address"]
    assert set(read(ALL_KEYS)["urls"][1]) == KEYS - {"interval", "regex", "authorization", "max_redirects"}


def test_another_shape_is_refused() -> None:
    assert [path.stem for path in SHAPELESS if VALIDATOR.is_valid(read(path.read_bytes()))] == []


@pytest.mark.parametrize("folder", ACCEPTED)
def test_mistakes_that_only_the_reader_can_find_are_accepted(folder: str) -> None:
    for stem in ACCEPTED[folder].split():
        assert (stem, complaints_about(read((HERE / folder / f"{stem}.yaml").read_bytes()))) == (stem, [])


def test_every_mapping_is_closed_and_every_key_explained() -> None:
    mappings = [node for node in nodes(SCHEMA) if isinstance(node, dict) and isinstance(node.get("properties"), dict)]
    assert len(mappings) == len(set(SHAPES.values()))
    for mapping in mappings:
        assert mapping["additionalProperties"] is False
        assert all(part["description"].endswith(".") for part in mapping["properties"].values())


def test_no_null_is_suggested() -> None:
    assert '"null"' not in json.dumps(SCHEMA)


@pytest.mark.parametrize("holder", SHAPES, ids=str)
def test_examples_and_defaults_are_valid(holder: str | None) -> None:
    shape = SHAPES[holder]
    part = SCHEMA if holder is None else SCHEMA["$defs"][shape.__name__]
    validator = Draft202012Validator(SCHEMA)
    for name, key in keys_of(shape).items():
        suggested = part["properties"][name]
        for value in (*suggested.get("examples", ()), *([suggested["default"]] if "default" in suggested else ())):
            assert validator.evolve(schema={**suggested, "$defs": SCHEMA["$defs"]}).is_valid(value), name
            TypeAdapter(shape).validate_python({**written(shape), name: value})
        assert key.example is None or suggested["examples"] == [yaml.safe_load(key.example)]


def written(shape: type) -> dict[str, Any]:
    """Return a mapping of that shape with its mandatory keys."""
    examples = {name: yaml.safe_load(key.example) for name, key in keys_of(shape).items() if key.example is not None}
    return {"username": "u", **examples} if shape.__name__ == "BasicAuth" else examples
