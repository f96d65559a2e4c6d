"""Places of values: those of a few, found without the tree of the whole file, equal those found with it."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.quickly import seconds_of
from watcher.config import load_configuration
from watcher.config.yaml.document import parse_yaml
from watcher.config.yaml.places import places_in

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
*inner : k
last: {l: m}
"""
PATHS: list[tuple[str | int, ...]] = [
    (),
    ("x",),
    ("x", "a", 1, "b"),
    ("x", "d e", 1),
    ("list", 0, "d e", 1),
    ("list", 1, "a", 0),
    ("list", 1, "h", 2),
    ("list", 1, "h", 3),
    ("list", 2, "a", "i", "a", 1, "b"),
    ("list", 2, "j\n"),
    ("list", 3, "a", "i"),
    ("list", 9, "a"),
    ("last", "l"),
    ("last", "nothing"),
    ("nothing", 3),
]


@given(st.lists(st.sampled_from(PATHS), unique=True))
def test_a_place_is_that_of_the_tree(paths: list[tuple[str | int, ...]]) -> None:
    document = parse_yaml("c.yaml", TEXT.replace("*inner : k\n", "").encode())
    assert document.places_of(paths) == {path: document.place_of(path) for path in paths}


def test_an_alias_may_be_a_key() -> None:
    document = parse_yaml("c.yaml", b"a: &b c\nlist: [{d: e}]\n*b : f\n")
    [place] = document.places_of([("c",)]).values()
    assert str(place) == "c.yaml:3:6"


def test_two_escapes_of_json_are_one_character_and_move_nothing() -> None:
    content = rb"""{"\ud83d\ude80": ["\\\ud83d\uDE80\ud83d\ude80", "\\ud83d", '\ud83d\ude80', 5]}"""
    document = parse_yaml("c.yaml", content)
    assert document.data == {"🚀": ["\\🚀🚀", r"\ud83d", r"\ud83d\ude80", 5]}
    path: tuple[str | int, ...] = ("🚀", 3)
    assert document.place_of(path) == document.places_of([path])[path]
    assert document.place_of(path).column == content.index(b"5]") + 1


def test_the_rest_of_the_file_is_not_read_again() -> None:
    content = "urls:\n" + "  - {address: http://u:p@h/, interval: 10}\n" * 25
    spoilt = content + "  - {{{ what makes whoever comes so far stumble"
    first = [("urls", index, "address") for index in range(20)]
    places = places_in("c.yaml", spoilt, first)
    assert [place.line for place in places.values()] == list(range(2, 22))
    assert places == parse_yaml("c.yaml", content.encode()).places_of(first)
    with pytest.raises(yaml.YAMLError):
        places_in("c.yaml", spoilt, [("urls", 30, "address")])


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
