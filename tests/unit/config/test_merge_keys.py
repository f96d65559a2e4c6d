"""Merge keys (`<<`): merged values are read, refused and masked as if they were written out."""
# ruff: noqa: E501  # each case is a line

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.typed import typed, write
from tests.unit.config.error_lines import lines_of
from tests.unit.quickly import quickly
from watcher.config import load_configuration
from watcher.config.env.settings import Settings
from watcher.config.mistakes import ConfigurationError
from watcher.config.targets.build import load_targets, parse_targets
from watcher.config.yaml.document import parse_yaml

BASES = """\
x-a: &a {interval: 5, headers: &h {Accept: text/html, X-Key: "${KEY}"}}
x-b: &b {interval: 6, retries: 1}
"""
HEADERS = "headers: {Accept: text/html, X-Key: '${KEY}'}"
NO_BASE = "must be a mapping, or a list of mappings; write it as in `<<: *base`"
TOO_LARGE = "its aliases and variables come to far more than the file itself; repeat less with them"
INSIDE = "is not valid YAML: the alias stands inside of what it repeats; look at this line and the one before"


def entry_of(options: str) -> str:
    """Write a config file of one entry below the bases; the entry is in line 4."""
    return f"{BASES}urls:\n  - {{{options}}}\n"


@pytest.mark.parametrize(
    ("merged", "written"),
    [
        ("<<: *a", f"interval: 5, {HEADERS}"),
        ("<<: *a, interval: 9", f"interval: 9, {HEADERS}"),
        ("interval: 9, <<: *a", f"interval: 9, {HEADERS}"),
        ("<<: [*a, *b]", f"interval: 5, retries: 1, {HEADERS}"),
        ("<<: [*b, *a]", f"interval: 6, retries: 1, {HEADERS}"),
        ("<<: []", ""),
        ("<<: {interval: 7, <<: *a, retries: 2}", f"interval: 7, retries: 2, {HEADERS}"),
        (
            "<<: [{<<: *b}, &c {<<: [*a], retries: 2}], retry_interval: 1",
            f"interval: 6, retries: 1, retry_interval: 1, {HEADERS}",
        ),
        ("headers: {<<: *h, X-Key: z}", "headers: {Accept: text/html, X-Key: z}"),
        ("<<: *a, headers: {X: y}", "interval: 5, headers: {X: y}"),
        (
            "json: [{path: a, equals: {<<: *b, !!str <<: 2}}]",
            "json: [{path: a, equals: {interval: 6, retries: 1, '<<': 2}}]",
        ),
        ("name: <<", "name: '<<'"),
    ],
)
def test_what_is_merged_is_as_if_it_were_written(merged: str, written: str, settings: Settings) -> None:
    texts = [entry_of(f"address: https://h/, {options}") for options in (merged, written)]
    first, second = (parse_targets("x", text.encode(), settings, {"KEY": "k"}) for text in texts)
    assert first == second


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("<<: 5", [f"4:10: urls[0].<<: {NO_BASE}"]),
        ("<<: ", [f"4:10: urls[0].<<: {NO_BASE}"]),
        ("<<: [*a, [*b], x]", [f"4:15: urls[0].<<[1]: {NO_BASE}", f"4:21: urls[0].<<[2]: {NO_BASE}"]),
        ("<<: &n x, headers: {A: b, <<: *n}", [f"4:10: urls[0].<<: {NO_BASE}", f"4:36: urls[0].headers.<<: {NO_BASE}"]),
        ("<<: *a, <<: *b", ["4:14: <<: written twice, first in line 4; write one, as in `<<: [*a, *b]`"]),
        ("<<: {retries: 1, retries: 2}", ["4:23: retries: written twice, first in line 4; remove one"]),
        ("<<: {intervall: 5}", ["4:11: urls[0].intervall: unknown key; did you mean interval?"]),
        (
            "<<: {interval: ten}",
            [
                "4:21: urls[0].interval: 'ten' is not a duration; write seconds, as in 10, or with a unit, as in 500ms, 60s, 5m or 24h"
            ],
        ),
        (
            "<<: {name: '${NO}'}",
            [
                "4:17: urls[0].<<.name: ${NO} is set neither in the environment nor in .env; set it, or write a default, as in ${NO:-x}"
            ],
        ),
        ("'<<': *a", ["4:6: urls[0].<<: unknown key"]),
        ("<<: *a, '<<': 1", ["4:14: urls[0].<<: unknown key"]),
        ("<<: *c", ["4:10: is not valid YAML: found undefined alias"]),
        ("<<: &c {headers: {<<: *c}}", [f"4:28: {INSIDE}"]),
        ("<<: &c [*c]", [f"4:14: {INSIDE}"]),
        ("!!merge <<: *a", ["4:6: is not valid YAML: could not determine a constructor for the tag"]),
    ],
)
def test_a_mistake_in_it_is_reported_where_it_is_written(options: str, lines: list[str], settings: Settings) -> None:
    text = entry_of(f"{options}, address: https://h/")
    told = lines_of("x", text.encode(), settings, {"KEY": "k"})
    assert len(told) == len(lines), told
    assert [line[: len(expected)] for line, expected in zip(told, lines, strict=True)] == lines


names = st.sampled_from(["a", "b", "c"])  # of one character: some PyYAMLs take equal longer ones for different keys
values = st.recursive(
    names,
    lambda inner: st.builds(
        lambda anchor, pairs, bases: f"{anchor}{{{', '.join([*(f'{k}: {v}' for k, v in pairs.items()), *bases])}}}",
        st.sampled_from(["", "&a ", "&b ", "&c "]),
        st.dictionaries(names, inner, max_size=3),
        st.one_of(
            st.just([]),
            st.sampled_from(["<<: *a", "<<: [*a, *b]", "<<: [*c, {a: own}, *a]"]).map(lambda base: [base]),
            inner.map(lambda base: [f"<<: {base}"]),
        ),
    ),
    max_leaves=8,
)
ANCHORS = "- &a {a: one, x: one}\n- &b {<<: *a, b: two}\n- &c {c: {d: three}, <<: [{b: four}, *b]}\n"


class Tolerant(yaml.SafeLoader):
    """Accepts an anchor that is defined twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)


@given(items=st.lists(values, min_size=1, max_size=3))
def test_it_is_read_as_pyyaml_reads_it(items: list[str]) -> None:
    text = ANCHORS + "".join(f"- {item}\n" for item in items)
    try:
        document = parse_yaml("x", text.encode())
        refused = bool(document.mistakes)
    except ConfigurationError:
        refused = True
    try:
        expected = yaml.load(text, Tolerant)
    except yaml.YAMLError:
        assert refused
    else:
        assert refused or document.data == expected


def bomb(begin: str, line: str, count: int) -> str:
    """Write lines each of which refers to the one before."""
    return begin + "".join(line.format(i, i - 1) for i in range(1, count)) + "urls: [{address: 'https://h/'}]\n"


KEYS = ", ".join(f"k{index}: 1" for index in range(1000))
BOMBS = {
    "laughs": (
        bomb("x-0: &a0 {a: {}}\n", "x-{0}: &a{0} {{a: {{<<: *a{1}}}, b: {{<<: *a{1}}}, c: [*a{1}]}}\n", 60),
        TOO_LARGE,
    ),
    "copies": (bomb(f"x-0: &a0 {{{KEYS}}}\n", "x-{0}: &a{0} {{<<: [*a0, *a0, *a0, *a0, *a{1}]}}\n", 300), TOO_LARGE),
    "sisters": (bomb(f"x-0: &a0 {{{KEYS}}}\n", "x-{0}: [{{<<: *a0}}, {{<<: *a0}}, {{<<: *a0}}]\n", 900), TOO_LARGE),
    "without_aliases": ("x-0: " + "&a {<<: " * 98 + f"{{{KEYS}}}" + "}" * 98, TOO_LARGE),
    "deep": ("x-0: " + "{<<: " * 100_000, "is nested more than 100 deep"),
    "lists": ("x-0: {<<: " + "[" * 100_000, "is nested more than 100 deep"),
    "mistakes": (
        "x-0: &a {interval: ten}\nurls:\n" + "  - {<<: *a, address: 'https://h/'}\n" * 3000,
        "(so in 3000 places)",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_bomb_of_merge_keys_takes_long(name: str, settings: Settings) -> None:
    text, expected = BOMBS[name]
    [line] = quickly(lambda: lines_of("x", text.encode(), settings), 1.0)
    assert expected in line


def test_defaults_and_files_of_a_folder_merge_for_themselves(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x-a: &a {interval: 7}\ndefaults: {<<: *a, retries: 1}\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text(
        "x-a: &a {retries: 2}\nurls:\n  - {<<: *a, address: 'https://h/'}\n", encoding="utf-8"
    )
    folder = replace(settings, config_file=tmp_path)
    [target] = load_targets(folder)
    assert (target.interval_seconds, target.retries) == (7, 2)
    (tmp_path / "b.yaml").write_text("urls:\n  - {<<: *a, address: 'https://h/'}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"b\.yaml:2:10: .*undefined alias"):
        load_targets(folder)


SECRETS = """\
x-shop: &shop
  headers: &h {X-Api-Key: hunter2, Accept: text/html}
  basic_auth: &auth {username: u, password: hunter2}
urls:
  - {<<: *shop, address: https://a.example/}
  - {<<: *shop, address: https://b.example/, headers: {<<: *h, X-More: more}, basic_auth: {<<: *auth, username: v}}
"""


def test_a_merged_secret_is_one(tmp_path: Path) -> None:
    write(tmp_path, SECRETS, "")
    result = typed(tmp_path, "validate", "--show")
    assert "hunter2" not in result.output
    shown = yaml.safe_load(result.stdout)["urls"]
    assert [entry["headers"] for entry in shown] == [
        {"X-Api-Key": "***", "Accept": "text/html"},
        {"X-Api-Key": "***", "Accept": "text/html", "X-More": "***"},
    ]
    assert [entry["authorization"] for entry in shown] == [{"type": "Basic", "credentials": "***"}] * 2
    warnings = load_configuration(tmp_path / ".env", {"CONFIG_FILE_PATH": str(tmp_path / "config.yaml")}).warnings
    lines = {str(warning).rpartition("/")[2].partition(" is a secret")[0] for warning in warnings}
    assert {"config.yaml:2:27: urls[1].headers.X-Api-Key:", "config.yaml:3:45: urls[0].basic_auth.password:"} <= lines


@pytest.mark.parametrize(
    "options",
    [
        "headers: &h {server_name: 'hunter2:'}, tls_config: {<<: *h}",
        "headers: {<<: &h {server_name: 'hunter2:'}}, tls_config: *h",
        "headers: {<<: &h {server_name: 'hunter2:'}, server_name: x}, tls_config: *h",
        "headers: {X: &s 'hunter2:'}, <<: {tls_config: {server_name: *s}}",
        "<<: {headers: {X: &s 'hunter2:'}}, headers: {}, tls_config: {server_name: *s}",
        "tls_config: {server_name: *p}",
        "<<: *x, tls_config: {server_name: *n}",
    ],
)
def test_no_line_quotes_a_secret_that_is_merged(options: str, tmp_path: Path) -> None:
    head = "x-a: &x {basic_auth: {password: &p 'hunter2:', username: u}, body: &n 'hunter2:'}\n"
    write(tmp_path, f"{head}urls:\n  - {{address: 'https://h/', {options}}}\n", "")
    result = typed(tmp_path, "validate")
    assert ": this " in result.output
    assert "hunter2" not in result.output


def test_what_is_merged_is_quoted_where_it_is_harmless(tmp_path: Path) -> None:
    write(tmp_path, "x-a: &a {interval: ten}\nurls:\n  - {<<: *a, address: 'https://h/'}\n")
    assert "config.yaml:1:20: urls[0].interval: 'ten' is not a duration" in typed(tmp_path, "validate").output
    write(
        tmp_path,
        "urls:\n  - &a {address: 'https://a/', interval: ten}\n  - {<<: *a, address: 'https://b/', retries: x}\n",
    )
    output = typed(tmp_path, "validate").output
    assert "{address: 'https://a/', interval: ten}" in output
    assert "{<<: ***, address: 'https://b/', retries: x}" in output
