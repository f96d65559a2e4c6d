"""Mistakes: one line each, short, in order, with a hint where a known word is close."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.quickly import quickly
from watcher.config.mistakes import ConfigurationError, Mistake, Place, by_place, did_you_mean, shown

any_text = st.text(st.characters())


@pytest.mark.parametrize(
    ("mistake", "line"),
    [
        (Mistake(Place("c.yaml", 12, 15), "urls[3].interval", "is bad"), "c.yaml:12:15: urls[3].interval: is bad"),
        (Mistake(Place("c.yaml", 1, 1), "", "is bad"), "c.yaml:1:1: is bad"),
        (Mistake(Place("environment"), "MAX_WORKERS", "is bad"), "environment: MAX_WORKERS: is bad"),
        (Mistake(Place("c\n.yaml"), "a\tb", "is\r\nbad"), r"c\n.yaml: a\tb: is\r\nbad"),
    ],
)
def test_a_mistake_is_one_line(mistake: Mistake, line: str) -> None:
    assert str(mistake) == line


@given(any_text, any_text, any_text)
def test_no_text_makes_two_lines_of_a_mistake(source: str, where: str, text: str) -> None:
    error = ConfigurationError([Mistake(Place(source, 1, 1), where, text), Mistake(Place(source), where, text)])
    assert len(str(error).splitlines()) == 2


def test_mistakes_are_sorted_by_line_and_column_with_those_of_the_whole_file_first() -> None:
    places = [Place("f", 2, 10), Place("f", 10, 1), Place("f", 2, 9), Place("f"), Place("f", 1, 1)]
    mistakes = by_place([Mistake(place, "", "") for place in places])
    assert [str(mistake.place) for mistake in mistakes] == ["f", "f:1:1", "f:2:9", "f:2:10", "f:10:1"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("intervall", "; did you mean interval?"),
        ("timeot", "; did you mean timeout?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_a_close_word_is_suggested(word: str, hint: str) -> None:
    assert did_you_mean(word, ["interval", "timeout"]) == hint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ten", "'ten'"),
        ("two\nlines", r"'two\nlines'"),
        (12.5, "12.5"),
        (None, "None"),
        (True, "True"),
        (datetime(2026, 1, 1, tzinfo=UTC).date(), "datetime.date(2026, 1, 1)"),
        (["https://user:hunter2@example.com/"], "a list"),
        ({"a": 1}, "a mapping"),
        ("x" * 1000, "'" + "x" * 78 + "…"),
    ],
)
def test_a_value_is_shown_short(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_number_that_python_refuses_to_write_is_named() -> None:
    assert shown(10**3000) == "1" + "0" * 78 + "…"
    assert shown(10**5000) == shown(-(10**5000)) == "a number of very many digits"


def test_a_list_that_is_larger_than_all_memory_is_shown_at_once() -> None:
    bomb: list[object] = []
    for _ in range(40):
        bomb = [bomb] * 10
    assert quickly(lambda: shown(bomb), 0.1) == "a list"
