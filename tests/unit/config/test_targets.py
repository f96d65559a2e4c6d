"""`config.yaml` becomes targets, and a bad file becomes mistakes and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from watcher.config.env.settings import Settings
from watcher.config.mistakes import ConfigurationError, Mistake
from watcher.config.schema.config_file import KNOWN_KEYS
from watcher.config.schema.limits import MAX_NAME_CHARS
from watcher.config.targets.address import complaint_about
from watcher.config.targets.build import load_targets, parse_targets
from watcher.model.target import Expectations, Target

GOOD = """\
urls:
  - address: https://example.com/
  - name: Checkout
    address: https://user:hunter2@shop.example/health?token=abc
    interval: 5
    timeout: 2.5
    regex: "[0-9]+ ok"
  - {address: "http://[2001:db8::1]:8080/", interval: 2, name: "Größe 🙂"}
"""


def parsed(text: str, settings: Settings) -> tuple[Target, ...]:
    """Read a config file."""
    return parse_targets("config.yaml", text.encode(), settings)


def one_target(text: str, settings: Settings) -> Target:
    """Read an entry of `urls`, given the lines below the address."""
    [target] = parsed(f"urls:\n  - address: https://example.com/\n    {text}\n", settings)
    return target


def test_a_good_file_becomes_targets_in_its_order(settings: Settings) -> None:
    first, second, third = parsed(GOOD, settings)
    assert first == Target(
        name="https://example.com/",
        address="https://example.com/",
        shown_address="https://example.com/",
        interval_seconds=10,
        timeout_seconds=10,
    )
    assert replace(second, expected=Expectations()) == Target(
        name="Checkout",
        address="https://user:hunter2@shop.example/health?token=abc",
        shown_address="https://shop.example/health?token=***",
        interval_seconds=5,
        timeout_seconds=2.5,
    )
    [pattern] = second.expected.body_matches
    assert pattern.search(b"200 ok")
    assert not pattern.search(b"ok")
    assert (third.name, third.interval_seconds, third.timeout_seconds) == ("Größe 🙂", 2, 2)


def test_the_default_name_has_no_secret(settings: Settings) -> None:
    [target] = parsed("urls: [{address: 'https://user:hunter2@example.com/?token=hunter3'}]", settings)
    assert target.name == "https://example.com/?token=***"
    assert "hunter" not in repr(target)


@pytest.mark.parametrize(
    ("low", "high", "interval_seconds"), [(2, 10, 10), (2, 3600, 10), (1, 5, 5), (30, 60, 30), (10, 10, 10)]
)
def test_the_default_interval_is_ten_within_the_bounds(
    low: float, high: float, interval_seconds: float, settings: Settings
) -> None:
    bounds = replace(settings, min_interval_seconds=low, max_interval_seconds=high)
    target = one_target("name: x", bounds)
    assert target.interval_seconds == interval_seconds
    assert target.timeout_seconds == min(10, interval_seconds)


@pytest.mark.parametrize(
    ("text", "interval_seconds", "timeout_seconds"),
    [
        ("interval: 2", 2, 2),
        ("interval: 10", 10, 10),
        ("interval: 2.5", 2.5, 2.5),
        ("interval: 7\n    timeout: 7", 7, 7),
        ("timeout: 0.001", 10, 0.001),
    ],
)
def test_times_up_to_their_bounds_are_taken(
    text: str, interval_seconds: float, timeout_seconds: float, settings: Settings
) -> None:
    target = one_target(text, settings)
    assert (target.interval_seconds, target.timeout_seconds) == (interval_seconds, timeout_seconds)


@pytest.mark.parametrize("regex", ["Größe", "(?i)ok", r"\bok\b", "a{1000}"])
def test_a_regex_of_re2_is_taken(regex: str, settings: Settings) -> None:
    [target] = parsed(yaml.safe_dump({"urls": [{"address": "https://example.com/", "regex": regex}]}), settings)
    assert [pattern.pattern for pattern in target.expected.body_matches] == [regex.encode()]


@pytest.mark.parametrize("regex", ["(?=ok)", r"(a)\1", "*", "[z-a]", r"\8", "a{1001}", "(a{1000}){1000}", "(?P<é"])
def test_a_pattern_that_re2_refuses_is_a_mistake_without_noise(
    regex: str, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^config.yaml:3:12: urls\[0\].regex: .* is not a regular expression: "
    ):
        one_target(f"regex: '{regex}'", settings)
    assert capfd.readouterr() == ("", "")


def test_a_name_may_be_as_long_as_the_limit(settings: Settings) -> None:
    assert one_target(f"name: {'n' * MAX_NAME_CHARS}", settings).name == "n" * MAX_NAME_CHARS


def test_a_long_address_gives_a_name_within_the_limit(settings: Settings) -> None:
    [target] = parsed(f"urls: [{{address: https://example.com/{'p' * 1900}}}]", settings)
    assert len(target.name) == MAX_NAME_CHARS
    assert target.name.startswith("https://example.com/ppp")
    assert len(target.shown_address) > 1900


@pytest.mark.parametrize("name", ["a\u202eb", "a\u061cb", "a\tb", "\x1b[2J", "\u00a0", ""])
def test_a_name_that_could_disguise_itself_is_refused(name: str, settings: Settings) -> None:
    text = yaml.safe_dump({"urls": [{"address": "https://example.com/", "name": name}]})
    with pytest.raises(ConfigurationError, match="is not a name") as caught:
        parsed(text, settings)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", ["no", "123", "1.5", "[x]", "{x: y}"])
def test_a_name_is_text_only(value: str, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="is not text; put it in quotes"):
        one_target(f"name: {value}", settings)


@pytest.mark.parametrize(("value", "name"), [("2026-11-23", "2026-11-23"), ("<<", "<<"), ("=", "=")])
def test_a_name_that_looks_like_a_date_is_text(value: str, name: str, settings: Settings) -> None:
    assert one_target(f"name: {value}", settings).name == name


def test_an_anchor_may_be_used_again(settings: Settings) -> None:
    text = "urls:\n  - {address: https://a.example/, regex: &ok ok}\n  - {address: https://b.example/, regex: *ok}\n"
    first, second = parsed(text, settings)
    assert first.expected is second.expected


def test_a_long_file_is_not_a_deep_one(settings: Settings) -> None:
    text = "urls:\n" + "".join(f"  - address: https://example.com/{index}\n" for index in range(1000))
    assert len(parsed(text, settings)) == 1000


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(settings: Settings) -> None:
    content = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert parse_targets("config.yaml", content, settings) == parsed(GOOD, settings)


def test_places_are_counted_in_characters(settings: Settings) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed("urls:\n  - {name: Größe 🙂, address: nohost}\n", settings)
    assert str(caught.value).startswith("config.yaml:2:30: urls[0].address: ")


def test_a_missing_file_is_a_mistake_in_the_place_that_names_it(settings: Settings) -> None:
    missing = replace(settings, config_file=Path("nope.yaml"))
    with pytest.raises(ConfigurationError) as caught:
        load_targets(missing)
    assert str(caught.value) == (
        "environment: CONFIG_FILE_PATH: 'nope.yaml' cannot be read: No such file or directory;"
        " correct the path, or make the file"
    )


def read(content: bytes, settings: Settings) -> tuple[tuple[Target, ...], tuple[Mistake, ...]]:
    """Read any content: targets or mistakes, but nothing else."""
    try:
        return parse_targets("config.yaml", content, settings), ()
    except ConfigurationError as error:
        return (), error.mistakes


def assert_good_targets_or_lines(content: bytes, settings: Settings) -> None:
    """Read any content, and assert that the reader keeps its promises."""
    targets, mistakes = read(content, settings)
    assert targets or mistakes
    for line in map(str, mistakes):
        assert len(line.splitlines()) == 1
        line.encode("utf-8")
    assert len({target.name for target in targets}) == len(targets)
    for target in targets:
        assert complaint_about(target.address) is None
        assert settings.min_interval_seconds <= target.interval_seconds <= settings.max_interval_seconds
        assert 0 < target.timeout_seconds <= target.interval_seconds
        recheck_seconds = target.recheck_interval_seconds
        assert recheck_seconds is None or 0.01 <= recheck_seconds <= target.interval_seconds
        assert 1 <= target.thresholds.failure <= 1000
        assert 1 <= target.thresholds.success <= 1000


# The first example pays for late imports.
unhurried = hypothesis_settings(deadline=None)

TAGS = "int float bool null str binary timestamp set omap pairs seq map merge python/none"
SYNTAX = """ urls address interval name - ? : { } [ ] , &a *a << ' " | > % @ ` # --- ... ~ !!x \\x """
VALUES = "1:30 0x 0o7 1_000 .inf .nan 1e3 2026-13-45 https://example.com/"
pieces = st.sampled_from(
    [*SYNTAX.split(), *VALUES.split(), *map("!!{} ".format, TAGS.split()), *" \n\t:", ": ", "\n  "]
)


@unhurried
@given(content=st.binary())
def test_any_bytes_give_targets_or_mistakes(content: bytes, settings: Settings) -> None:
    assert_good_targets_or_lines(content, settings)


@unhurried
@given(text=st.lists(st.one_of(pieces, st.text(max_size=4))).map("".join))
def test_any_text_gives_targets_or_mistakes(text: str, settings: Settings) -> None:
    assert_good_targets_or_lines(text.encode(), settings)
    assert_good_targets_or_lines(f"urls:\n  - address: {text}".encode(), settings)


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates())
trees = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(scalars, inner)), max_leaves=10)
addresses = st.one_of(st.sampled_from(["https://a.example/", "https://b.example/", "nohost"]), trees)
times = st.one_of(st.integers(-1, 20), st.floats(), trees)
entries = st.one_of(
    st.fixed_dictionaries(
        {"address": addresses},
        optional={
            **{key: st.one_of(st.text(), times) for key in KNOWN_KEYS["urls"] if key != "address"},
            "interval": times,
            "timeout": times,
            "other": trees,
        },
    ),
    trees,
)
defaults = st.one_of(st.dictionaries(st.sampled_from(KNOWN_KEYS["defaults"]), trees), trees)
files = st.one_of(
    st.fixed_dictionaries(
        {"urls": st.one_of(st.lists(entries), trees)}, optional={"more": trees, "defaults": defaults}
    ),
    trees,
)


@pytest.mark.parametrize("key", ["~", "1.5", "true", "7", "[a]", "? {a: b}\n   ", "*there "])
def test_a_variable_below_a_key_other_than_text_is_a_separate_mistake(key: str, settings: Settings) -> None:
    content = f"urls:\n - address: &there https://a.example/\n   {key}: ${{\n"
    with pytest.raises(ConfigurationError) as caught:
        parse_targets("config.yaml", content.encode(), settings)
    assert {mistake.where: mistake.text for mistake in caught.value.mistakes}["urls[0].?"].startswith("has a ${ that")


@unhurried
@given(tree=files)
@example(tree={"urls": [{"address": "https://a.example/", "name": {None: "${"}}]})
def test_any_tree_gives_targets_or_mistakes(tree: Any, settings: Settings) -> None:
    assert_good_targets_or_lines(yaml.safe_dump(tree, allow_unicode=True).encode(), settings)
