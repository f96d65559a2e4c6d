"""The documentation of every key: generated from the types, up to date, and with examples that the reader accepts."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import certifi
import pytest
import yaml

from docs.generate import COMMAND, PAGE, TEMPLATE, files, page
from watcher.cli import main
from watcher.config import load_configuration
from watcher.config.env.settings import DEFAULTS, KEY_OF_FIELD, RESTART_KEYS, SETTINGS, Settings, load_settings
from watcher.config.schema.config_file import KNOWN_KEYS, SHAPES, Options, all_keys
from watcher.config.schema.keys import keys_of
from watcher.model.outcome import Reason

NO_FILE = Path("no such file")
ROOT = PAGE.parents[1]
DOCUMENTS = [TEMPLATE, *ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md")]
# Files and folders of this project, in backquotes; all others belong to the installation or the running daemon.
PATH = re.compile(
    r"`((?:watcher|tests|docs|benchmarks|deploy|\.ci)/[\w./-]*|[\w][\w./-]*\.(?:py|sql|sh|md|in|cfg|toml|txt|yml|service))`"
)
MODULE = re.compile(r"`(watcher(?:\.[a-z_0-9]+)+)`")
# A value other than the default.
VALUES = {
    "CONFIG_FILE_PATH": "other.yaml",
    "POSTGRES_HOST": "db",
    "POSTGRES_PORT": "6432",
    "POSTGRES_TARGET_SESSION_ATTRS": "primary",
    "POSTGRES_USER": "u",
    "POSTGRES_PASSWORD": "p",
    "POSTGRES_DB": "d",
    "POSTGRES_SSLMODE": "require",
    "POSTGRES_SSLROOTCERT": certifi.where(),
    "POSTGRES_SSLCERT": "client.pem",
    "POSTGRES_SSLKEY": "client.key",
    "MAX_WORKERS": "11",
    "MIN_INTERVAL_VAL": "3",
    "MAX_INTERVAL_VAL": "11",
    "WATCHER_DATA_DIR": "elsewhere",
    "WATCHER_LOG_FILE": "other.log",
    "WATCHER_LOG_FORMAT": "json",
    "WATCHER_LOCATION": "here",
    "WATCHER_REPLICA": "second",
    "WATCHER_KEEP_FAILURES": "1d",
    "WATCHER_OUTBOX_MAX_BYTES": "16777216",
    "WATCHER_OUTBOX_MAX_AGE": "1h",
    "WATCHER_OUTBOX_KEEP_STORED": "10s",
    "WATCHER_RELOAD": "off",
    "WATCHER_HTTP": "unix:/run/watcher/page.sock",
    "WATCHER_HTTP_URL": "https://status.example",
    "WATCHER_HTTP_USER": "u",
    "WATCHER_HTTP_PASSWORD": "p",
    "WATCHER_HTTP_TOKEN": "0123456789abcdef",
    "WATCHER_HTTP_PUBLIC": "on",
    "WATCHER_HTTP_HOSTS": "monitor.lan",
    "WATCHER_HTTP_TRUSTED_PROXIES": "10.0.0.1",
    "WATCHER_METRICS_TARGETS": "off",
}
# Where the example needs a file, or does not exist.
OTHER_VALUES = {
    "basic_auth": {"username": "u", "password": "p"},
    "authorization": {"credentials": "t"},
    "tls_config": {"server_name": "shop.example"},
    "follow_redirects": False,
    "max_redirects": 3,
    "body_size_limit": 100,
    "preferred_ip_protocol": "ip6",
    "http_version": "2",
    "keep_alive": True,
    "allow_private": False,
    "retries": 1,
    "retry_interval": "2s",
    "failure_threshold": 5,
    "success_threshold": 5,
    "enabled": False,
}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], f"{path.name} is stale; run `{COMMAND}`"


def test_every_table_has_a_place_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    missing = [name for name in (*DEFAULTS, *all_keys()) if f"\n| `{name}` |" not in text]
    assert missing == []
    assert "<!-- table" not in text


def test_a_missing_table_is_noticed() -> None:
    with pytest.raises(KeyError, match="nothing"):
        page("<!-- table: nothing -->")


def test_a_link_within_the_page_leads_somewhere() -> None:
    text = TEMPLATE.read_text(encoding="utf-8") + page(TEMPLATE.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors


def test_every_path_and_every_link_in_the_documents_leads_somewhere() -> None:
    lost = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        here = document.parent
        modules = [module.replace(".", "/") for module in MODULE.findall(text)]
        for path in [*PATH.findall(text), *modules]:
            places = (ROOT / path, ROOT / f"{path}.py", ROOT / "watcher" / path, here / path)
            lost += [] if any(map(Path.exists, places)) else [f"{document.name}: {path}"]
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        lost += [f"{document.name}: {link}" for link in links if not (here / link).exists()]
    assert lost == []


def test_the_architecture_lists_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "watcher").glob("*/**/*.py")}
    assert [room for room in sorted(rooms) if f"\n| `{room}/` |" not in text] == []


def test_every_command_and_every_reason_is_explained() -> None:
    commands = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [
        name for name in main.summaries if not re.search(rf"^\| .*`watcher {name}[` ]", commands, re.MULTILINE)
    ] == []
    reasons = PAGE.read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"\n| `{reason}` |" not in reasons] == []


def test_every_setting_is_a_key_of_env() -> None:
    others = {"config_file_place", "max_workers_place"}  # of earlier writing
    assert set(KEY_OF_FIELD) == {field.name for field in fields(Settings)} - others
    assert len(DEFAULTS) == len(KEY_OF_FIELD) == len(SETTINGS)
    assert set(DEFAULTS) > RESTART_KEYS > {"POSTGRES_HOST", "WATCHER_DATA_DIR", "WATCHER_LOCATION"}
    assert "WATCHER_RELOAD" not in RESTART_KEYS


def test_every_setting_is_read() -> None:
    given = {"CONFIG_FILE_PATH": "config.yaml", "WATCHER_HTTP_USER": "one", "WATCHER_HTTP_PASSWORD": "other"}
    before = load_settings(NO_FILE, given)
    changed = {}
    for setting in SETTINGS:
        after = load_settings(NO_FILE, {**given, setting.key: VALUES[setting.key]})
        names = {field.name for field in fields(Settings) if getattr(before, field.name) != getattr(after, field.name)}
        changed[setting.key] = names - {"max_workers_place"}
    assert changed == {setting.key: {setting.field} for setting in SETTINGS}


def test_every_option_is_read(tmp_path: Path) -> None:
    before = _target_with(tmp_path, {})
    examples = {name: yaml.safe_load(str(key.example)) for name, key in keys_of(Options).items()}
    values = {**examples, **OTHER_VALUES}
    assert [name for name, value in values.items() if _target_with(tmp_path, {name: value}) == before] == []


def test_every_mapping_says_all_of_its_keys() -> None:
    for holder, shape in SHAPES.items():
        assert set(keys_of(shape)) == set(KNOWN_KEYS[holder])


def test_no_key_is_secret_in_one_place_and_open_in_another() -> None:
    secret = {name: set[bool]() for name in all_keys()}
    for shape in SHAPES.values():
        for name, key in keys_of(shape).items():
            secret[name].add(key.secret)
    assert [name for name, answers in secret.items() if len(answers) > 1] == []


def _target_with(folder: Path, options: dict[str, Any]) -> Any:
    file = folder / "config.yaml"
    others = {"channels": [{"name": name, "exec": ["true"]} for name in ("ops", "page-me")]}
    router = {"address": "https://router.example/", "name": "Router", "group": "core"}
    places = ["one", "two", "three", "four"]
    urls = [{"address": "https://example.com/", "locations": places, **options}, router]
    file.write_text(yaml.safe_dump({"urls": urls, **others}), encoding="utf-8")
    target, _ = load_configuration(NO_FILE, {"CONFIG_FILE_PATH": str(file), "MAX_INTERVAL_VAL": "3600"}).targets
    return target
