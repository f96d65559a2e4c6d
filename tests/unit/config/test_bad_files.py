"""One bad file per mistake, in bad/: each is refused with the lines below, and no others."""

from pathlib import Path

import pytest

from tests.unit.config.error_lines import lines_of
from tests.unit.quickly import quickly
from watcher.config.env.settings import Settings

BAD = Path(__file__).parent / "bad"
FILES = sorted(path.stem for path in BAD.glob("*.yaml"))

LOOK = "; look at this line and the one before"
NO_FINITE = "is not a finite number above zero; write seconds, as in"
NO_NAME = "is not a name; write one line of 1 to 200 printable characters"
NO_PORT = "has an invalid port after the colon; write one from 1 to 65535, as in https://example.com:8443/"
NO_MAPPING = "is not a mapping; write `- address: https://example.com/`"
NO_KEY = "a key must be plain text; put it in quotes"
KNOWN = (
    "known are address, name, group, interval, timeout, method, headers, body, basic_auth, authorization,"
    " follow_redirects, max_redirects, valid_status_codes, regex, fail_if_body_matches_regexp,"
    " fail_if_body_not_matches_regexp, fail_if_header_matches, fail_if_header_not_matches, json, body_size_limit,"
    " degraded_after, cert_expiry_days, tls_config, preferred_ip_protocol, resolve_to, proxy_url, http_version,"
    " keep_alive, allow_private, alerts, depends_on, maintenance, description, labels, retries, retry_interval,"
    " recheck_interval, failure_threshold, success_threshold, enabled, locations, quorum"
)
NO_DURATION = "is not a duration; write seconds, as in 10, or with a unit, as in 500ms, 60s, 5m or 24h"
TOO_LARGE = "its aliases and variables come to far more than the file itself; repeat less with them"
WRITE_LIST = "list the targets, as in `urls: [{address: https://example.com/}]`"
WRITE_ENTRY = "list the targets, as in `- address: https://example.com/`"
WRITE_URLS = "must be a list; write one `- address: https://example.com/` a line under it"
WRITE_URL = "write it as in https://example.com/"

# Each line starts with `NAME.yaml:`.
LINES = {
    # The file as a whole.
    "empty": [f"1:1: urls: is missing; {WRITE_LIST}"],
    "only_comments": [f"1:1: urls: is missing; {WRITE_LIST}"],
    "no_urls": ["1:1: urls: is missing; add it"],
    "top_level_list": ["1:1: the file must be a mapping with the key `urls`; write `urls:` above the list"],
    "control_character": ["3:13: has the control character U+0007; remove it"],
    "urls_null": [f"1:6: urls: {WRITE_URLS}"],
    "urls_not_a_list": [f"2:3: urls: {WRITE_URLS}"],
    "urls_empty": [f"1:7: urls: is empty; {WRITE_ENTRY}"],
    # Keys.
    "doubled_key": ["4:5: interval: written twice, first in line 3; remove one"],
    "doubled_keys": [
        "2:1: urls: written twice, first in line 1; remove one",
        "3:38: address: written twice, first in line 3; remove one",
        "4:5: urls[1].address: is missing; add it",
        "4:19: interval: written twice, first in line 4; remove one",
    ],
    "key_is_no_text": [f"3:5: {NO_KEY}"],
    "key_is_a_list": [f"3:3: {NO_KEY}"],
    "keys_of_all_kinds": [
        "2:38: address: written twice, first in line 2; remove one",
        "3:5: urls[1].address: is missing; add it",
        "3:19: interval: written twice, first in line 3; remove one",
        f"4:3: {NO_KEY}",
    ],
    "unknown_key": ["1:1: urls: is missing; add it", "1:1: url: unknown key; did you mean urls?"],
    "unknown_key_in_entry": ["3:5: urls[0].intervall: unknown key; did you mean interval?"],
    "unknown_key_like_no_other": [f"3:5: urls[0].zzz: unknown key; {KNOWN}"],
    "merge_key": [
        "4:5: urls[1].address: is missing; add it",
        "4:9: urls[1].<<: must be a mapping, or a list of mappings; write it as in `<<: *base`",
    ],
    "value_forgotten": [
        "3:11: urls[0].regex: is empty; write a value, or remove the key",
        "4:15: urls[0].interval: is empty; write a value, or remove the key",
    ],
    # Entries and addresses.
    "entry_not_a_mapping": [f"2:5: urls[0]: 'https://good.example/?token=***' {NO_MAPPING}"],
    "no_address": ["2:5: urls[0].address: is missing; add it"],
    "address_empty": ["2:14: urls[0].address: '' is empty; write a URL, as in https://example.com/"],
    "address_number": ["2:14: urls[0].address: 123 is not text; put it in quotes"],
    "address_list": ["2:14: urls[0].address: a list is not text; put it in quotes"],
    "address_two_dots": [
        "2:14: urls[0].address: 'http://a..b/' has an empty part in its host 'a..b'; remove the extra dot"
    ],
    "address_ftp": [f"2:14: urls[0].address: 'ftp://x/' is not an http or https URL; {WRITE_URL}"],
    "address_no_scheme": [f"2:14: urls[0].address: 'nohost' is not an http or https URL; {WRITE_URL}"],
    "address_port_0": [f"2:14: urls[0].address: 'http://good.example:0/' {NO_PORT}"],
    "address_port_99999": [f"2:14: urls[0].address: 'http://good.example:99999/' {NO_PORT}"],
    "address_long_label": [
        f"2:14: urls[0].address: 'http://{'a' * 64}.exampl… has a host that is too long;"
        " the limit is 63 characters between two dots and 253 in total"
    ],
    "address_password_with_slash": [f"2:14: urls[0].address: '***' {NO_PORT}"],
    # Times.
    "interval_zero": [f"3:15: urls[0].interval: 0 {NO_FINITE} 10"],
    "interval_negative": [f"3:15: urls[0].interval: -1 {NO_FINITE} 10"],
    "interval_nan": [f"3:15: urls[0].interval: nan {NO_FINITE} 10"],
    "interval_inf": [f"3:15: urls[0].interval: inf {NO_FINITE} 10"],
    "interval_text": [f"3:15: urls[0].interval: 'ten' {NO_DURATION}"],
    "interval_true": [f"3:15: urls[0].interval: True {NO_DURATION}"],
    "interval_huge": [f"3:15: urls[0].interval: inf {NO_FINITE} 10"],
    "interval_below": [
        "3:15: urls[0].interval: 1 is below MIN_INTERVAL_VAL=2; lower that in .env, or raise this",
    ],
    "interval_above": [
        "3:15: urls[0].interval: 120 is above MAX_INTERVAL_VAL=10; raise that in .env, or lower this",
    ],
    "timeout_zero": [f"3:14: urls[0].timeout: 0 {NO_FINITE} 5"],
    "timeout_above_interval": [
        "4:14: urls[0].timeout: 6 is above the interval of 5; lower it, or raise the interval",
    ],
    "timeout_above_default_interval": [
        "3:14: urls[0].timeout: 11 is above the interval of 10; lower it, or raise the interval",
    ],
    # Patterns and names.
    "regex_number": ["3:12: urls[0].regex: 200 is not text; put it in quotes"],
    "names_equal": ["3:12: urls[1].name: 'Same' is the name of urls[0] too; give one of them another `name`"],
    "default_names_equal": [
        "3:5: urls[1].name: 'https://good.example/?token=***' is the name of urls[0] too;"
        " give one of them another `name`"
    ],
    "name_newline": [rf"3:11: urls[0].name: 'two\nlines' {NO_NAME}"],
    "name_blank": [f"3:11: urls[0].name: ' ' {NO_NAME}"],
    "name_too_long": [f"3:11: urls[0].name: '{'n' * 78}… {NO_NAME}"],
    # Hostile YAML.
    "alias_of_itself": [f"3:14: is not valid YAML: the alias stands inside of what it repeats{LOOK}"],
    "alias_too_deep": [f"100:12: is not valid YAML: is nested more than 100 deep{LOOK}"],
    "aliases_of_many_mistakes": [f"60:5: {TOO_LARGE}"],
    "billion_laughs": [f"5:14: {TOO_LARGE}"],
    # All at once, in the order of the lines.
    "many": [
        "3:5: urls[0].intervall: unknown key; did you mean interval?",
        f"4:14: urls[1].address: 'nohost' is not an http or https URL; {WRITE_URL}",
        f"5:15: urls[1].interval: 0 {NO_FINITE} 10",
        "6:14: urls[1].timeout: 7 is above the interval of 0; lower it, or raise the interval",
        "7:12: urls[1].regex: '[' is not a regular expression: missing ]; https://github.com/google/re2/wiki/Syntax",
        f"8:11: urls[1].name: '' {NO_NAME}",
        f"9:5: urls[2]: 'https://good.example/' {NO_MAPPING}",
        f"11:15: urls[3].interval: 'ten' {NO_DURATION}",
        "14:5: interval: written twice, first in line 13; remove one",
        "14:15: urls[4].interval: 120 is above MAX_INTERVAL_VAL=10; raise that in .env, or lower this",
        "15:1: colour: unknown key; known are urls, defaults, page, channels, connectivity, heartbeat, maintenance",
    ],
}
# One line each, which ends in the words of a library.
BEGINNINGS = {
    "bad_yaml": "4:12: is not valid YAML: ",
    "tab": "2:1: is not valid YAML: found character",
    "two_documents": "3:1: is not valid YAML: ",
    "undefined_alias": "2:5: is not valid YAML: found undefined alias",
    "python_object": "2:5: is not valid YAML: could not determine a constructor for the tag",
    "address_bad_name": "2:14: urls[0].address: 'http://⿰.de/' has the host '⿰.de', which is not a domain name: ",
    "regex_bad": "3:12: urls[0].regex: '(unclosed' is not a regular expression: ",
    "regex_too_large": "3:12: urls[0].regex: '.*a.{900}z' is too large (",
}


def test_every_bad_file_has_its_lines_here() -> None:
    assert sorted([*LINES, *BEGINNINGS]) == FILES


def lines_of_file(name: str, settings: Settings) -> list[str]:
    """Return the error lines of a file in bad/, which must be quick and must not show a secret."""
    content = (BAD / f"{name}.yaml").read_bytes()
    lines = quickly(lambda: lines_of(f"{name}.yaml", content, settings), 1)
    assert "hunter" not in "".join(lines)
    return lines


def test_the_lines_of_each_bad_file(settings: Settings) -> None:
    assert {name: lines_of_file(name, settings) for name in LINES} == LINES


def test_how_the_line_of_a_bad_file_starts(settings: Settings) -> None:
    lines = {name: lines_of_file(name, settings) for name in BEGINNINGS}
    begun = {name: [line[: len(BEGINNINGS[name])] for line in lines[name]] for name in BEGINNINGS}
    assert begun == {name: [beginning] for name, beginning in BEGINNINGS.items()}


GOOD = b"urls:\n  - address: https://good.example/\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GOOD + b"    name: caf\xe9\n", "3:14: is not UTF-8; save the file as UTF-8"),
        ("urls: []".encode("utf-16"), "1:1: is not UTF-8; save the file as UTF-8"),
        (b"\xef\xbb\xbfurls: []\n", f"1:7: urls: is empty; {WRITE_ENTRY}"),
        (GOOD + b"    name: \0\n", "3:11: has the control character U+0000; remove it"),
        (GOOD + "    name: é\x85\x9b\n".encode(), "3:13: has the control character U+009B; remove it"),
    ],
    ids=["latin_1", "utf_16", "byte_order_mark", "nul", "c1"],
)
def test_places_in_bytes_are_those_that_an_editor_shows(content: bytes, expected: str, settings: Settings) -> None:
    assert lines_of("config.yaml", content, settings) == [expected]


def test_an_anchor_defined_twice_is_not_an_additional_mistake(settings: Settings) -> None:
    content = b"defaults: {headers: &a {A: b}}\nurls:\n  - {address: https://a/, headers: &a {C: d}}\n  - *a\n"
    assert [line.partition(": ")[0] for line in lines_of("config.yaml", content, settings)] == ["3:36", "3:40"]


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!int ''", "int"),
        ("!!int x", "int"),
        ("9" * 5000, "int"),
        ("!!float ''", "float"),
        ("!!float x", "float"),
        ("!!int 0x5", "int"),
        ("!!float 1:00.5", "float"),
        ("!!bool x", "bool"),
        ("!!timestamp x", "timestamp"),
        ("!!timestamp 2026-13-45", "timestamp"),
    ],
)
def test_a_value_that_does_not_fit_its_tag_has_its_place(value: str, tag: str, settings: Settings) -> None:
    content = GOOD + f"    interval: {value}\n".encode()
    assert lines_of("config.yaml", content, settings) == [f"3:15: is not valid YAML: this is not a valid {tag}{LOOK}"]


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "urls:\n  - address: " + "{a: " * 100_000,
        "- " * 100_000 + "x",
        "urls:\n  - address: " + "[" * 1000 + "]" * 1000,
        "? " * 100_000,
    ],
    ids=["open", "closed", "mappings", "block", "deep_address", "keys"],
)
def test_deep_nesting_ends_neither_the_process_nor_the_patience(content: str, settings: Settings) -> None:
    [line] = quickly(lambda: lines_of("config.yaml", content.encode(), settings), 1)
    assert line.endswith(f"is not valid YAML: is nested more than 100 deep{LOOK}")
