"""Whatever a configuration is and whatever its mistakes: `watcher validate` shows none of its secrets."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.typed import typed, write
from watcher.config.schema.config_file import KNOWN_KEYS

# An unusual beginning, without characters that are escaped where it is shown.
SECRETS = st.text(string.ascii_letters + string.digits + "-_~!$()=+,:;/?.", min_size=3, max_size=12).map("Q7z{}".format)
KEYS = sorted({key for keys in KNOWN_KEYS.values() for key in keys} - {"body", "headers", "password", "credentials"})
TYPOS = ["passwrod", "pasword", "passwd", "credential", "creds", "bodyy", "header", "proxy-url", "api_key", "MyToken"]
MARK = "SECRET"


@dataclass(frozen=True)
class Case:
    """A secret, and files that contain it where secrets may be."""

    secret: str
    config: str
    env: str


def holders() -> st.SearchStrategy[dict[str, Any]]:
    """Return options that contain a secret, spelt correctly or not."""
    spelt = st.sampled_from(["password", "credentials", "body", "proxy_url", *TYPOS])
    return st.one_of(
        st.builds(lambda key: {key: MARK}, spelt),
        st.builds(lambda key: {key: [MARK, {"x": MARK}]}, spelt),
        st.builds(lambda name: {"headers": {name: MARK}}, st.sampled_from(["X", "Authorization", "bad name", "Te"])),
        st.builds(lambda key: {"basic_auth": {"username": "u", key: MARK}}, spelt),
        st.builds(lambda key: {"authorization": {key: MARK}}, spelt),
        st.sampled_from([{"basic_auth": MARK}, {"authorization": [MARK]}, {"headers": MARK}]),
        st.builds(
            lambda scheme, rest: {"address": f"{scheme}://u:Q7zpw@h{rest}/?token=Q7zpw"},
            st.sampled_from(["https", "http", "ftp", "hppts"]),
            st.sampled_from(["", ".", ":99999", ":8080", " ", "[", "/a b"]),
        ),
        st.builds(lambda scheme: {"proxy_url": f"{scheme}://u:Q7zpw@h:1"}, st.sampled_from(["http", "ftp", "socks5"])),
    )


def channels() -> st.SearchStrategy[dict[str, Any]]:
    """Return a channel whose receiver is or contains a secret, spelt correctly or not."""
    spelt = st.sampled_from(["url", "secret", "urll", "uri", "token", "webhok", "body"])
    addresses = st.sampled_from(
        [
            "https://h.example/Q7zpw/x",
            "tgram://Q7zpw/1",
            "ntfy://u:Q7zpw@h/x",
            "mailto:Q7zpw",
            "Q7zpw",
            "https://Q7zpw..h/",
        ]
    )
    receivers = st.one_of(
        st.builds(lambda key, value: {key: value}, spelt, addresses | st.just(MARK)),
        st.builds(lambda key: {"webhook": {"url": "https://h.example/Q7zpw", key: MARK}}, spelt),
        st.builds(
            lambda name: {"webhook": {"url": "https://h/", "headers": {name: MARK}}}, st.sampled_from(["X", "a b"])
        ),
        st.sampled_from([{"webhook": MARK}, {"alertmanager": {"url": MARK}}, {"exec": ["x", MARK]}, {"exec": MARK}]),
        st.builds(lambda url: {"alertmanager": {"url": f"{url}://u:Q7zpw@h/?a=Q7zpw"}}, st.sampled_from(["http", "x"])),
    )
    more = st.dictionaries(st.sampled_from(["default", "events", "title", "nme"]), LEAVES, max_size=2)
    # With a mistake in each, or a helper process would have to check hundreds of addresses.
    return st.builds(lambda receiver, odd: {"name": "ops", "timeout": 0, **receiver, **odd}, receivers, more)


def sections() -> st.SearchStrategy[dict[str, Any]]:
    """Return keys beside `urls`, with secrets in them."""
    heartbeats = st.sampled_from([{"url": MARK}, {"url": "https://h/Q7zpw"}, MARK, {"urll": MARK}, [MARK]])
    looked_at = st.sampled_from(["https://u:Q7zpw@h/?t=Q7zpw", "ftp://u:Q7zpw@h/"])
    return st.fixed_dictionaries(
        {},
        optional={
            "channels": st.lists(channels() | st.just(MARK), max_size=2),
            "heartbeat": heartbeats,
            "connectivity": st.builds(lambda address: {"targets": [address]}, looked_at),
        },
    )


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(0, 9), st.sampled_from(["a", "1s", "200"]))
TREES = st.recursive(
    st.one_of(LEAVES, holders()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*KEYS, "regx", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
ENTRIES = st.builds(
    lambda good, odd, held: {"address": "https://h/", **good, **odd, **held},
    st.dictionaries(st.sampled_from(KEYS), TREES, max_size=3),
    st.dictionaries(st.sampled_from(["intervall", "regx", "x"]), LEAVES, max_size=1),
    holders(),
)
FILES = st.one_of(
    st.builds(
        lambda urls, defaults, more: {"urls": urls, "defaults": defaults, **more},
        st.lists(ENTRIES, max_size=3),
        holders() | TREES,
        sections(),
    ),
    st.builds(lambda more: {"urls": [{"address": "https://h/"}], **more}, sections()),
    st.builds(lambda urls: {"urls": urls}, TREES),
    TREES,
)
ENV_LINES = st.sampled_from(
    [
        "POSTGRES_PASSWORD=",
        "POSTGRES_PASSWRD=",
        "MY_TOKEN=",
        "POSTGRES PASSWORD=",
        "export POSTGRES_PASSWORD =",
        "PGPASS=",
    ]
)


def replaced(value: Any, secret: str) -> Any:
    """Put the secret in the place of each mark."""
    if isinstance(value, dict):
        return {key: replaced(inner, secret) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, secret) for inner in value]
    return secret if value == MARK else value


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case; some of the files are no longer valid YAML."""
    secret = draw(SECRETS)
    flow, width = draw(st.sampled_from([None, True, False])), draw(st.sampled_from([20, 80, 10_000]))
    text = yaml.safe_dump(replaced(draw(FILES), secret), default_flow_style=flow, width=width, allow_unicode=True)
    if draw(st.booleans()):
        # Text is inserted between lines, so that a secret does not become a key: keys are shown.
        lines = text.splitlines(keepends=True)
        at = draw(st.integers(0, len(lines)))
        lines.insert(at, draw(st.sampled_from(["\t- x\n", "  ]\n", "- [\n", '  "\n', "? a\n", "%\n", "a: b: c\n"])))
        text = "".join(lines)
    return Case(secret, text, "".join(f"{line}{secret}\n" for line in draw(st.lists(ENV_LINES, max_size=3))))


@given(cases(), st.sampled_from([(), ("--json",)]))
def test_no_secret_comes_out(case: Case, form: tuple[str, ...]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(case.config, encoding="utf-8")
        (folder / ".env").write_text(f"CONFIG_FILE_PATH=config.yaml\n{case.env}", encoding="utf-8")
        for arguments in (["validate"], ["validate", "--show"]):
            result = typed(folder, *arguments, *form)
            assert result.exit_code in {0, 2}
            assert case.secret not in result.output
            assert "Q7zpw" not in result.output


SPELT_BADLY = (
    "basic_auth: {password:hunter2, username: u}",  # a space is missing
    'headers: {"Authorization: hunter2": x}',
    "basic_auth: {password: *hunter2, username: u}",
    "basic_auth: {password: !hunter2, username: u}",
    "basic_auth: {password: !hunter2 x, username: u}",
    "basic_auth: {password: !hunter2 [], username: u}",
    "basic_auth: {password: &hunter2 , username: u}",
    "basic_auth: {password: %hunter2, username: u}",
    "basic_auth: {password: @hunter2, username: u}",
    'basic_auth: {password: "\\qhunter2", username: u}',
    "basic_auth: {password: hunter2: x, username: u}",
    "resolve_to: https://u:hunter2@h/",
    "resolve_to: u:hunter2@1.2.3.4",
    'authorization: {type: "Bearer hunter2"}',
    "headers: {Authorization Bearer hunter2}",
    "headers: {X-Api-Key=hunter2}",
    'headers: {"X hunter2": y}',
    'basic_auth: {username: "monitor:hunter2", password: x}',
    "channels: ntfys://hunter2/x",
    'proxy_url: x\n  - address: "https://a.example/ https://u:hunter2@b.example/"',
    "interval: *hunter2",
    "basic_auth: {username: u, password: &p hunter2}\n    interval: *p",
    'basic_auth: {username: u, password: &p "hunter2("}\n    regex: *p',
    "basic_auth: {username: u, password: &p hunter2}\n    *p : 1",
    "basic_auth: {username: u, password: !!hunter2 x}",
    "basic_auth: {username: u, password: !<tag:hunter2> x}",
    "interval: &hunter2 -1",
    'tls_config: {key_file: "-----BEGIN PRIVATE KEY-----hunter2"}',
    "group: https://u:hunter2@h/\x07",
    "basic_auth: u:hunter2",
    "headers: hunter2",
    "intervall: 5\nchannels: [hunter2]",
    "intervall: 5\nheartbeat: hunter2",
    "proxyurl: http://u:hunter2@h:1",
    "# password: hunter2\n    intervall: 5",
    "intervall: 5 # hunter2",
)


@pytest.mark.parametrize("arguments", [["validate"], ["validate", "--json"], ["run"]])
def test_nor_does_one_that_yaml_takes_for_something_else(tmp_path: Path, arguments: list[str]) -> None:
    results = {}
    for written in SPELT_BADLY:
        write(tmp_path, f"urls:\n  - address: https://h/\n    {written}\n")
        results[written] = typed(tmp_path, *arguments)
    assert {result.exit_code for result in results.values()} == {2}
    assert [written for written, result in results.items() if "hunter2" in result.output] == []


def test_a_variable_of_ones_own_has_no_form_with_a_file(tmp_path: Path) -> None:
    write(tmp_path, "urls:\n  - address: https://h/${SHOP_TOKEN}\n", "SHOP_TOKEN_FILE=s\n")
    result = typed(tmp_path, "validate")
    assert "; set SHOP_TOKEN itself" in result.output


def test_settings_that_are_not_utf8_are_reported_with_their_place(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"MAX_WORKERS=5\nLOCATION=\xe9\n")
    result = typed(tmp_path, "validate")
    assert result.stderr.splitlines()[0] == ".env:2:10: is not UTF-8; save the file as UTF-8"
    assert "mandatory" not in result.output


@pytest.mark.parametrize(
    "line", ["MAX_WORKERS=0 POSTGRES_PASSWORD=hunter2", "MAX_WORKERS=PGPASSWORD=hunter2", "POSTGRES_HOST=u:hunter2@h"]
)
def test_nor_does_one_that_ran_into_another_setting(tmp_path: Path, line: str) -> None:
    write(tmp_path, "urls:\n  - address: https://h/\n", f"{line}\n")
    result = typed(tmp_path, "validate")
    assert result.exit_code == 2
    assert "hunter2" not in result.output
