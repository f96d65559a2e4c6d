"""Any config file becomes targets or mistakes within a second, each mistake one line, and never a traceback."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tests.naming import naming
from tests.unit.quickly import quickly
from watcher.config.env.settings import Settings
from watcher.config.mistakes import ConfigurationError
from watcher.config.schema.config_file import KNOWN_KEYS
from watcher.config.targets.build import load_targets, parse_targets
from watcher.model.target import Target

pytestmark = pytest.mark.slow

MAX_SECONDS = 1.0
SECRET = "hunter2-5eb63bbbe01eeed093cb"
VARIABLES = {
    "SECRET": SECRET,
    "N": "7",
    "ON": "true",
    "EMPTY": "",
    "YAML": "{a: [b, *c]}\n- &d !!int # '\"",
    "NUL": "x\0",
    "SURROGATE": "x\udc80",
    "LONG": "x" * 100_000,
    "RATIO": "1" + ":00" * 1000,
}
# One key of each type of value: other keys of the type are read in the same way.
KEY_OF_EACH_TYPE = (
    *("address", "name", "interval", "retries", "cert_expiry_days", "enabled", "method", "headers", "basic_auth"),
    *("valid_status_codes", "regex", "json", "tls_config", "resolve_to", "proxy_url", "http_version", "unknown"),
)
GOOD = b"urls: [{address: 'http://x/', regex: ok, headers: {A: b}, json: [{path: a, equals: 1}]}]"


@pytest.fixture(scope="module", autouse=True)
def loaded(settings: Settings) -> None:
    """Import what is imported late, or the first example would pay for it."""
    parse_targets("config.yaml", GOOD, settings)


def lines_of(read: Callable[[], tuple[Target, ...]], max_seconds: float = MAX_SECONDS) -> list[str]:
    """Read any content, and assert that it is valid or has printable error lines, in time."""
    return quickly(lambda: all_lines_of(read), max_seconds)


def all_lines_of(read: Callable[[], tuple[Target, ...]]) -> list[str]:
    """Do the same without a time limit."""
    try:
        assert read()
    except ConfigurationError as error:
        lines = [str(mistake) for mistake in error.mistakes]
    else:
        return []
    assert lines
    for line in lines:
        assert len(line.splitlines()) == 1
        assert not set(line) & {"\x1b", "\x07", "\x7f", "\u202e"}
        line.encode("utf-8")
        assert SECRET[:12] not in line
    return lines


def lines_in(text: str, settings: Settings, max_seconds: float = MAX_SECONDS) -> list[str]:
    """Read one config file."""
    return lines_of(lambda: parse_targets("config.yaml", text.encode(), settings, VARIABLES), max_seconds)


references = st.one_of(
    st.sampled_from([f"${{{name}}}" for name in VARIABLES]),
    st.sampled_from(["${NONE}", "${NONE:-x}", "${NONE:-10}", "${N:-x}", "$$", "$", "${", "${}", "$${N}", "${A:-${B}}"]),
)
texts = st.lists(st.one_of(references, st.text(max_size=5)), max_size=4).map("".join)
addresses = st.one_of(
    st.sampled_from(
        ["https://a.example/", "https://${SECRET}/", "https://a.example/${SECRET}?k=${SECRET}", "${SECRET}"]
    ),
    texts,
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, references)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
inner_keys = sorted({key for keys in KNOWN_KEYS.values() for key in keys})
values = st.one_of(trees, st.dictionaries(st.sampled_from(inner_keys), trees, max_size=4))
options = st.dictionaries(st.one_of(st.sampled_from(KNOWN_KEYS["defaults"]), texts), values, max_size=5)
entries = st.builds(lambda address, more: {"address": address, **more}, addresses, options)
files = st.one_of(
    st.fixed_dictionaries({"urls": st.lists(entries, max_size=3)}, optional={"defaults": options, "more": trees}),
    st.fixed_dictionaries({"defaults": options}),
    trees,
)


def plain(tree: Any) -> str:
    """Write a tree as YAML with unquoted references wherever possible."""
    text: str = yaml.safe_dump(tree, allow_unicode=True, width=10**6)
    return text.replace("'${", "${").replace("}'", "}")


@given(tree=files)
def test_any_tree_with_variables(tree: Any, settings: Settings) -> None:
    lines_in(yaml.safe_dump(tree, allow_unicode=True), settings)
    lines_in(plain(tree), settings)


@given(
    key=st.sampled_from(KNOWN_KEYS["urls"]),
    value=values,
    inner=st.sampled_from(["${SECRET}", "a${SECRET}b", "(${SECRET}"]),
)
@example(key="json", value=[{"path": "a", "equals": {"b": "${SECRET}"}}], inner="${SECRET}")
def test_no_line_has_the_value_of_a_variable(key: str, value: Any, inner: str, settings: Settings) -> None:
    for there in (
        inner,
        [inner],
        {"header": "X", "regexp": inner},
        {inner: inner},
        [{"path": inner, "equals": 1}],
        value,
    ):
        entry = {"address": "https://a.example/", key: there}
        lines_in(plain({"urls": [entry, {**entry, "interval": 5}]}), settings)
        lines_in(plain({"defaults": {key: there}, "urls": [entry]}), settings)


HOLDERS_OF_ALERTS = ("channels", "maintenance", "connectivity", "heartbeat", "webhook", "quiet_hours", "alertmanager")


@given(holder=st.sampled_from(HOLDERS_OF_ALERTS), data=st.data(), value=values)
def test_nor_has_one_of_a_channel_or_a_window(holder: str, data: st.DataObject, value: Any, settings: Settings) -> None:
    key = data.draw(st.sampled_from(KNOWN_KEYS[holder]))
    inner = data.draw(st.sampled_from(["${SECRET}", "a ${SECRET}", "https://${SECRET}..x/", "1:00${SECRET}"]))
    for there in (inner, [inner], {inner: inner}, value):
        said: dict[str, Any] = {key: there}
        if holder not in KNOWN_KEYS[None]:
            said = {"channels": [{"name": "ops", holder: [said] if holder == "quiet_hours" else said}]}
        else:
            said = {
                holder: [{"start": "1:00", "duration": 1, **said}] if holder in {"channels", "maintenance"} else said
            }
        lines_in(plain({"urls": [{"address": "https://a.example/"}], **said}), settings)


SYNTAX = (
    """ urls address interval name defaults headers json - ? : { } [ ] , &a *a << ' " | > % @ ` # --- ... ~ !!x \\x """
)
pieces = st.sampled_from(
    [*SYNTAX.split(), "${", "${N}", "${SECRET}", "${NONE:-", "}", "$", "$$", " ", "\n", ": ", "\n  ", "\n- ", "\t"]
)
soup = st.lists(st.one_of(pieces, st.text(max_size=4)), max_size=60).map("".join)


@given(text=soup)
def test_any_text_with_variables(text: str, settings: Settings) -> None:
    lines_in(text, settings)
    lines_in(f"urls:\n  - address: https://a.example/\n    {text}", settings)


anchored = st.recursive(
    st.sampled_from(
        [
            "x",
            "&a x",
            "&b {k: 5}",
            "*a",
            "*b",
            "{<<: *b}",
            "&a {<<: [*b, *a]}",
            "${N}",
            r'"\ud83d\ude80"',
            r"'\ud83d\ude80'",
            r'"\ud83d"',
        ]
    ),
    lambda inner: st.builds(
        lambda anchor, parts: f"{anchor}[{', '.join(parts)}]", st.sampled_from(["", "&a ", "&b "]), st.lists(inner)
    ),
    max_leaves=12,
)


@given(value=anchored, others=st.lists(anchored, max_size=2))
@example(value="[&a x, &a x]", others=[])
def test_any_anchors_and_aliases(value: str, others: list[str], settings: Settings) -> None:
    for key in ("headers", "unknown"):
        lines = [f"{{address: 'https://a.example/', {key}: {one}}}" for one in (value, *others)]
        lines_in(f"urls: [{', '.join(lines)}]", settings)


@given(content=st.binary())
def test_any_bytes(content: bytes, settings: Settings) -> None:
    lines_of(lambda: parse_targets("config.yaml", content, settings, VARIABLES))


contents = st.one_of(files.map(plain), soup, st.just("urls: [{address: 'https://good.example/'}]\n")).map(str.encode)


@given(contents=st.lists(st.one_of(contents, st.binary()), max_size=4))
def test_any_folder(contents: list[bytes], settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("folder")
    for index, content in enumerate(contents):
        (folder / f"{index}.yaml").write_bytes(content)
    lines_of(lambda: load_targets(replace(settings, config_file=folder), VARIABLES))


def bomb(kind: str, width: int, height: int) -> str:
    """Write nested aliases: the leaves of the last, `*bomb`, number `width ** height`."""
    leaf, lines = "x", []
    for level in range(height):
        name = "bomb" if level == height - 1 else f"b{level}"
        inner = ", ".join([leaf] * width if kind == "list" else [f"k{index}: {leaf}" for index in range(width)])
        lines.append(f"b{level}: &{name} {f'[{inner}]' if kind == 'list' else '{' + inner + '}'}\n")
        leaf = f"*{name}"
    return "".join(lines)


SHAPES = [
    "{key}: *bomb",
    "{key}: [*bomb, *bomb]",
    "{key}: {{<<: *bomb, a: *bomb}}",
    "{key}: [{{path: a, equals: *bomb}}]",
    "{key}: {{password: *bomb, credentials: *bomb, ca_file: *bomb}}",
]


def see_bomb_refused(key: str, shape: str, bomb_text: str, settings: Settings) -> None:
    """Assert that a bomb under a key is reported in time."""
    option = shape.format(key=key)
    text = f"{bomb_text}defaults: {{{option}}}\nurls:\n"
    text += f"  - {{address: 'http://x/', {option}}}\n" * 3
    assert lines_in(text, settings)


@pytest.mark.parametrize("kind", ["list", "mapping"])
def test_no_bomb_of_aliases_takes_long(kind: str, settings: Settings) -> None:
    bombs = [bomb(kind, width, height) for width, height in [(10, 9), (10, 4), (2, 14), (2, 95), (120, 2)]]
    for key, shape in itertools.product(KNOWN_KEYS["urls"], SHAPES):
        for bomb_text in bombs if key in KEY_OF_EACH_TYPE else bombs[:1]:
            with naming((key, shape, bomb_text[:20])):
                see_bomb_refused(key, shape, bomb_text, settings)


LONG = 100_000
LONG_SECONDS = MAX_SECONDS / 5
LONG_TEXTS = {
    "letters": "x" * LONG,
    "dots": "a." * (LONG // 2),
    "digits": "9" * LONG,
    "base_60": "1" + ":00" * (LONG // 3),
    "base_60_float": "1" + ":00" * (LONG // 3) + ".5",
    "hex": "0x" + "f" * LONG,
    "octal": "0" + "7" * LONG,
    "binary": "0b" + "1" * LONG,
    "underscores": "1" + "_" * LONG,
    "fraction": "1." + "0" * LONG,
    "brackets": '"' + "(" * LONG + '"',
    "url": "http://" + "a" * LONG + ".example/",
    "path": "http://a.example/" + "a/" * (LONG // 2),
    "query": "http://a.example/?" + "a=b&" * (LONG // 4),
    "users": "http://" + "u@" * (LONG // 2) + "a.example/",
    "colons": "http://" + "[:" * (LONG // 2) + "]/",
    "durations": "1s" * (LONG // 2),
    "spaces": '"' + " " * LONG + 'x"',
    "escapes": '"' + "\\x07" * (LONG // 4) + '"',
    "emoji": "🙂" * (LONG // 4),
    "dollars": "$$" * (LONG // 20),
    "opened": '"' + "${" * (LONG // 20) + '"',
    "variables": '"' + "${N}" * (LONG // 40) + '"',
    "long_variables": '"' + "${LONG}" * (LONG // 10_000) + '"',
    "ratio": "${RATIO}${RATIO}",
}


# The values that each key is tried with, whatever its type.
LONG_EVERYWHERE = ("letters", "digits", "durations", "escapes")


def see_long_value_read(key: str, kind: str, settings: Settings) -> None:
    """Assert that a long value under a key is read, or reported in short lines, in time."""
    address = "" if key == "address" else "address: http://x/\n    "
    lines = lines_in(f"urls:\n  - {address}{key}: {LONG_TEXTS[kind]}\n", settings, LONG_SECONDS)
    assert all(len(line) < 2000 for line in lines)


@pytest.mark.parametrize("kind", LONG_TEXTS)
def test_no_long_scalar_takes_long(kind: str, settings: Settings) -> None:
    for key in [*KNOWN_KEYS["urls"], "unknown"] if kind in LONG_EVERYWHERE else KEY_OF_EACH_TYPE:
        with naming(key):
            see_long_value_read(key, kind, settings)


@pytest.mark.parametrize("shape", ["{key}: {value}", "{key}: [{value}]", "{key}: {{a: {value}}}"])
def test_deep_nesting_is_refused_under_every_key(shape: str, settings: Settings) -> None:
    values = ("[" * 90 + "]" * 90, "{a: " * 90 + "b" + "}" * 90, "[" * 50_000, "{a: " * 50_000)
    accepted = [
        (key, value[:9])
        for key, value in itertools.product(KNOWN_KEYS["urls"], values)
        if not lines_in(f"urls: [{{address: 'http://x/', {shape.format(key=key, value=value)}}}]", settings)
    ]
    assert accepted == []


def test_many_mistakes_do_not_take_long_either(settings: Settings) -> None:
    text = "urls:\n  - address: http://x/\n    headers:\n" + "".join(f"      k{index}: 1\n" for index in range(12_000))
    lines = lines_in(text, settings, 3 * MAX_SECONDS)  # of a file of 200 kB that is wrong everywhere
    assert len(lines) == 10_001
    assert lines[0] == "config.yaml: has more mistakes than are reported here; mend these first"
