"""`${VAR}` in config files: what it becomes, and what it can never become."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config.env.settings import Settings
from watcher.config.mistakes import ConfigurationError
from watcher.config.targets.build import parse_targets
from watcher.config.yaml.document import Document, parse_yaml
from watcher.config.yaml.interpolation import MAX_EXPANDED_CHARS, Interpolator, TooMuchError, names_in

VARIABLES = {"A": "one", "N": "7", "ON": "true", "EMPTY": "", "NESTED": "${A}", "DOLLARS": "$$"}


def value_of(text: str, variables: dict[str, str] | None = None) -> Any:
    """Read the value of a key that is written like this."""
    return parse_yaml("config.yaml", f"key: {text}\n".encode(), VARIABLES if variables is None else variables).data[
        "key"
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("<${A}${A}>", "<oneone>"),
        ('"${A}"', "one"),
        ("'${A}'", "one"),
        ("|-\n  a ${A}\n  b", "a one\nb"),
        ("${NONE:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${A:-two}", "one"),
        ("'${NONE:-}'", ""),
        ("'${EMPTY}'", ""),
        ("${NONE:-http://x/?a=b:c}", "http://x/?a=b:c"),
        ("${NONE:-a$$b$}", "a$b$"),
        # YAML decides the type of a plain value then; a quoted value is text.
        ("${N}", 7),
        ("1${N}", 17),
        ("${NONE:-10}", 10),
        ("${NONE:-1.5}", 1.5),
        ("${ON}", True),
        ("${EMPTY}", None),
        ("${NONE:-}", None),
        ('"${N}"', "7"),
        ("'${ON}'", "true"),
        ("!!str ${N}", "7"),
        ("!!int ${N}", 7),
        # Dollar signs.
        ('"ok$"', "ok$"),
        ("^a$|^b$", "^a$|^b$"),
        ("$A", "$A"),
        ("a$(b)$[c]", "a$(b)$[c]"),
        ("$$", "$"),
        ("$$$$", "$$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$one"),
        ("${A}$", "one$"),
        # Inserted text is not read again.
        ("${NESTED}", "${A}"),
        ("${DOLLARS}", "$$"),
        ("[x, 'a${A}', {b: 'c${A}'}]", ["x", "aone", {"b": "cone"}]),
    ],
)
def test_a_value_has_its_variables_put_in(text: str, value: Any) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


def test_keys_are_not_interpolated() -> None:
    assert value_of('{"${A}": "${A}", "$$": x}') == {"${A}": "one", "$$": "x"}


def test_an_anchor_repeats_the_inserted_value() -> None:
    assert value_of("[&a '${A}', *a, *a]") == ["one", "one", "one"]


hostile = st.one_of(
    st.sampled_from(
        ["a: b", "x\n- y", "# no", "&a b", "*a", "!!int 3", "'", '"', "{a: b}", "[a]", "|", "- a", "---", "%"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)


@given(hostile)
def test_no_value_can_be_more_than_one_scalar(value: str) -> None:
    assert value_of('"<${V}>"', {"V": value}) == f"<{value}>"
    assert value_of("<${V}>", {"V": value}) == f"<{value}>"
    try:
        assert not isinstance(value_of("${V}", {"V": value}), (dict, list))
    except ConfigurationError as error:
        [mistake] = error.mistakes
        assert mistake.text.startswith(("is not valid YAML: this is not a valid ", "is not valid YAML: found"))


@given(
    st.dictionaries(st.sampled_from(["A", "B"]), st.text()),
    st.lists(st.sampled_from(["$", "{", "}", "A", "B", ":-", "x"])),
)
def test_any_text_is_filled_or_refused(variables: dict[str, str], pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        filled = Interpolator(variables).filled(text)
    except ValueError as error:
        line = str(error)
    else:
        line = ""
        assert "$" in text or filled == text
    assert line.isprintable()


def document(text: str) -> Document:
    """Parse a config file."""
    return parse_yaml("config.yaml", text.encode(), {"A": "one", "N": "7"})


def test_a_document_knows_the_inserted_values() -> None:
    found = document("a: ${A}\nb: one\nc: ['${A}', x, '$$x']\nd: &d {e: 'x${A}'}\nf: *d\ng: ${N}\nh: ${NO:-default}\n")
    paths: dict[tuple[str | int, ...], bool] = {
        ("a",): True,
        ("b",): False,
        ("c", 0): True,
        ("c", 1): False,
        ("c", 2): False,
        ("c", 3): False,
        ("c",): False,
        ("d", "e"): True,
        ("f", "e"): True,
        ("g",): False,  # a number
        ("h",): True,
        ("x", "y", 3): False,
        (): False,
    }
    assert {path: found.is_substituted(path) for path in paths} == paths


def test_a_literal_that_equals_a_variable_is_still_a_literal() -> None:
    found = document("- one\n- ${A}\n- one\n")
    assert [found.is_substituted((index,)) for index in range(3)] == [False, True, False]


def test_the_same_text_is_one_object() -> None:
    found = document("- a${A}\n" * 100)
    assert len({id(value) for value in found.data}) == 1


def test_the_names_in_a_file_are_those_that_it_refers_to() -> None:
    assert names_in(b"a: ${A} ${B:-x} $C {D} $${E} ${1} ${F\xff\n# ${G}\n") == {"A", "B", "E", "F", "G"}


def test_inserted_values_are_bounded() -> None:
    interpolator = Interpolator({"BIG": "x" * 1000})
    assert len(interpolator.filled("${BIG}" * 10)) == 10_000
    with pytest.raises(TooMuchError):
        interpolator.filled("${BIG}" * (MAX_EXPANDED_CHARS // 1000))


def test_a_long_value_that_comes_again_and_again_is_refused(settings: Settings) -> None:
    entry = "  - {address: 'https://good.example/%d', body: '${BIG}'}\n"
    content = ("urls:\n" + "".join(entry % index for index in range(100))).encode()
    with pytest.raises(ConfigurationError, match=r"^x:[0-9]+:48: its aliases and variables come to far more than"):
        parse_targets("x", content, settings, {"BIG": "x" * 1_000_000})
    assert len(parse_targets("x", content, settings, {"BIG": "x" * 1000})) == 100


def test_variables_reach_every_part_of_a_target(settings: Settings) -> None:
    content = b"""
defaults: {headers: {X-Key: "${KEY}"}}
urls:
  - address: https://${HOST}/
    interval: ${INTERVAL:-4}
    enabled: ${ON:-false}
    regex: ^${HOST}$
    authorization: {credentials: "${KEY}"}
    valid_status_codes: ["${LOW:-200}-299"]
"""
    [target] = parse_targets("x", content, settings, {"HOST": "shop.example", "KEY": "key$$"})
    assert target.address == "https://shop.example/"
    assert target.interval_seconds == 4
    assert not target.enabled
    assert target.sending.headers == (("X-Key", "key$$"),)
    assert target.sending.authorization == "Bearer key$$"
    assert target.expected.status_codes == ((200, 299),)
    assert target.expected.body_matches[0].search(b"shop.example")


def test_a_path_may_have_a_variable(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "token").write_text("hunter2\n", encoding="utf-8")
    content = b"urls: [{address: 'http://x/', authorization: {credentials_file: '${FOLDER}/token'}}]"
    [target] = parse_targets("x", content, settings, {"FOLDER": str(tmp_path)})
    assert target.sending.authorization == "Bearer hunter2"
