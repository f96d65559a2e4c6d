"""Places of values: the same as the marks in the tree of PyYAML itself, which the reader does not build."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.quickly import seconds_of
from watcher.config import load_configuration
from watcher.config.yaml.document import parse_yaml

Path_ = tuple["str | int", ...]

TEXT = """\
x: &shared {a: [1, {b: c}], "d e": &inner [f, g]}
list:
  - *shared
  - {a: *inner, h: [[], {}, x]}
  - &more
    a: {i: *shared}
    "j\\n": |
      text
  - *more
last: {l: m}
"""
keys = st.text(max_size=8).map("k{}".format)  # PyYAML takes fewer of them for numbers
trees = st.recursive(st.text(max_size=8), lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner)))
texts = st.builds(
    lambda tree, flow, width, line_break: yaml.safe_dump(
        tree, default_flow_style=flow, width=width, allow_unicode=True, line_break=line_break
    ),
    trees,
    st.booleans(),
    st.sampled_from([5, 80]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


def marks_in(node: yaml.Node, path: Path_ = ()) -> Iterator[tuple[Path_, Any, Any]]:
    """Yield the marks of values and of their keys, by their paths."""
    pairs: list[tuple[str | int, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        pairs = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(index, value, value) for index, value in enumerate(node.value)]
    for step, key, value in pairs:
        yield (*path, step), value.start_mark, key.start_mark
        yield from marks_in(value, (*path, step))


@given(text=st.one_of(st.just(TEXT), texts))
def test_a_place_is_a_mark_of_pyyaml(text: str) -> None:
    document = parse_yaml("c.yaml", text.encode(), {})
    root = yaml.compose(text, yaml.SafeLoader)
    assert root is not None
    for path, mark, key_mark in marks_in(root):
        for of_key, expected in ((False, mark), (True, key_mark)):
            place = document.place_of(path, key=of_key)
            assert (place.line, place.column) == (expected.line + 1, expected.column + 1), (path, of_key)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "1:1"),
        (("x", "a", 1, "b"), "1:24"),
        (("list", 0, "d e", 1), "1:47"),
        (("list", 1, "h", 3), "4:20"),
        (("list", 3, "a", "i", "a", 0), "1:17"),
        (("list", 9, "a"), "3:3"),
        (("last", "l", "more"), "10:11"),
        (("nothing", 3), "1:1"),
    ],
)
def test_what_is_not_there_has_the_place_around_it(path: Path_, place: str) -> None:
    document = parse_yaml("c.yaml", TEXT.encode())
    assert str(document.place_of(path)) == f"c.yaml:{place}"


def test_a_place_in_a_large_mapping_takes_no_longer() -> None:
    document = parse_yaml("c.yaml", b"\n".join(b"k%d: v" % index for index in range(20_000)))
    assert document.place_of(("k12345",)).line == 12_346
    assert seconds_of(lambda: [document.place_of((f"k{index}",)) for index in range(20_000)]) < 1


def test_two_escapes_of_json_are_one_character_and_move_nothing() -> None:
    content = rb"""{"\ud83d\ude80": ["\\\ud83d\uDE80\ud83d\ude80", "\\ud83d", '\ud83d\ude80', 5]}"""
    document = parse_yaml("c.yaml", content)
    assert document.data == {"🚀": ["\\🚀🚀", r"\ud83d", r"\ud83d\ude80", 5]}
    assert document.place_of(("🚀", 3)).column == content.index(b"5]") + 1


@pytest.mark.parametrize("head", ["", "defaults: {basic_auth: &a {username: u, password: hunter2}}\n"])
def test_many_warnings_take_little_longer_than_none(head: str, tmp_path: Path) -> None:
    option = ", basic_auth: *a" if head else ", basic_auth: {username: u, password: hunter2}"
    file = tmp_path / "c.yaml"
    entries = (f"  - {{address: http://h/{index}{option}}}\n" for index in range(2000))
    file.write_text(f"{head}urls:\n{''.join(entries)}", encoding="utf-8")
    variables = {"CONFIG_FILE_PATH": str(file)}
    assert len(load_configuration(tmp_path / ".env", variables).warnings) > 40
    for _ in range(5):  # something else may have slowed one of the two
        without = seconds_of(lambda: load_configuration(tmp_path / ".env", variables, with_warnings=False))
        if seconds_of(lambda: load_configuration(tmp_path / ".env", variables)) < 2 * without + 0.04:
            return
    pytest.fail("warnings take long")
