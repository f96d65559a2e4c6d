"""How a line of a config file, or of `.env`, is shown."""

import pytest

from tests.unit.quickly import calls_of
from watcher.cli.config_view.masked_lines import LinePart, MaskedLine, masked_env_line, masked_lines

CONFIG = """\
urls:
  - regx: "Python"   # a comment
    passwd: secret
    apikey: secret
    proxyurl: secret
    headers: {X: secret}
    authorization: [secret]
  - &secret {body: "
        secret
      ", interval: 5}
  - json: [{path: a, equals: {x: secret}}]
    ? {a: secret}
    : secret
    address: https://u:secret@h/?x=secret
    basic_auth: *secret
    name: |
       two
       lines
  - u:secret@h
"""
SHOWN = [
    "urls:",
    '  - regx: "Python"',
    "    passwd: ***",
    "    apikey: ***",
    "    proxyurl: ***",
    "    headers: {X: ***}",
    "    authorization: [***]",
    "  - *** {body: ***",
    "***",
    "***, interval: ***}",
    "  - json: [{path: a, equals: {x: ***}}]",
    "    ? {a: ***}",
    "    : ***",
    "    address: https://h/?x=***",
    "    basic_auth: ***",
    "    name: |",
    "       two",
    "       lines",
    "  - ***",
    "",
]

ALIASES = """\
urls:
  - &e {address: 'https://h/', tls_config: &t {server_name: s, ca_file: &f x}}
  - {headers: *t, address: 'https://g/'}
  - &i {interval: 120, tls_config: &u {server_name: s}}
  - *i
  - &j {tls_config: {server_name: *f}}
  - {body: *j}
  - regex: ${MY_TOKEN:-hunter2} ${WORD:-x}
  - <<: [{interval: 5, headers: {X: secret}}, secret]
  - <<: secret
"""
SHOWN_OF_ALIASES = [
    "urls:",
    "  - *** {address: 'https://h/', tls_config: *** {server_name: ***, ca_file: ***}}",
    "  - {headers: ***, address: 'https://g/'}",
    "  - *** {interval: 120, tls_config: *** {server_name: s}}",
    "  - ***",
    "  - *** {tls_config: {server_name: ***}}",
    "  - {body: ***}",
    "  - regex: ${MY_TOKEN:-***} ${WORD:-x}",
    "  - <<: [{interval: 5, headers: {X: ***}}, ***]",
    "  - <<: ***",
]


def text_of(line: MaskedLine) -> str:
    """Return the line without its caret."""
    return line.with_caret(0, 1000)[0]


@pytest.mark.parametrize(("config", "shown"), [(CONFIG, SHOWN), (ALIASES, SHOWN_OF_ALIASES)])
def test_only_values_that_are_certainly_not_secret_are_shown(config: str, shown: list[str]) -> None:
    lines = masked_lines(config, range(1, len(shown) + 1))
    assert [text_of(lines[number]) for number in sorted(lines)] == shown


def test_a_line_that_is_not_there_is_left_out() -> None:
    assert masked_lines("urls: []\n", [7]) == {}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\t- interval: 5", "    - interval: 5"),
        ("  - address: https://secret", "  - address: ***"),
        ("    password: 5", "    ***"),
        ("  secret", "  ***"),
        ("    valid_status_codes: [200, 300-399", "    valid_status_codes: [200, 300-399"),
        ("- - regex: secret", "- - regex: ***"),
        ("", ""),
    ],
)
def test_of_invalid_yaml_the_start_is_shown(line: str, shown: str) -> None:
    assert text_of(masked_lines(f"a: [\n{line}\n", [2])[2]) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("MAX_WORKERS=ten # secret", "MAX_WORKERS=ten"),
        ("export MAX_WORKRES = '5'", "export MAX_WORKRES = '5'"),
        ("POSTGRES_PASSWORD=secret", "POSTGRES_PASSWORD=***"),
        ("POSTGRES_PASSWORD_FILE=/run/p", "POSTGRES_PASSWORD_FILE=/run/p"),
        ("POSTGRES_HOST=postgres://u:secret@h", "POSTGRES_HOST=***"),
        ("MAX_WORKERS='secret", "MAX_WORKERS=***"),
        ("MY_TOKEN=secret", "MY_TOKEN=***"),
        ("POSTGRES PASSWORD=secret", "***"),
        ("MAX_WORKERS", "MAX_WORKERS"),
        ("secret", "***"),
        ("MAX_WORKERS=", "MAX_WORKERS="),
    ],
)
def test_a_line_of_the_settings_is_shown_where_its_key_is_harmless(line: str, shown: str) -> None:
    assert text_of(masked_env_line(line)) == shown


@pytest.mark.parametrize("width", [10, 40, 120])
def test_a_line_keeps_to_its_width(width: int) -> None:
    line = MaskedLine(
        (
            LinePart(0, "a" * 5),
            LinePart(5, "***", is_raw=False),
            LinePart(20, "世" * 100),
            LinePart(120, "\x1b[2J" * 50),
        )
    )
    for column in (0, 1, 5, 7, 30, 500):
        text, caret = line.with_caret(column, width)
        assert len(text.encode("utf-32-le")) // 4 <= width
        assert "\x1b" not in text
        assert caret == " " * (len(caret) - 1) + "^"
        assert len(caret) <= width + 1


def test_a_line_without_shown_values_says_nothing() -> None:
    assert not MaskedLine((LinePart(0, "  - "), LinePart(4, "***", is_raw=False))).says_something
    assert MaskedLine((LinePart(0, "a: "), LinePart(3, "***", is_raw=False))).says_something


def test_the_stars_of_patterns_cost_no_second_walk() -> None:
    def calls(pattern: str) -> int:
        text = "urls:\n" + f"  - {{address: 'https://a.example/?a=1&b=2', regex: '{pattern}'}}\n" * 500
        return calls_of(lambda: masked_lines(text, {3}))

    assert calls("a.*b") < 1.1 * calls("a.+b")
