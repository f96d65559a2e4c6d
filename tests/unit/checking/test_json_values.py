"""JSON bodies, also hostile ones."""

import json
from contextlib import suppress
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.verdict.json_values import MAX_SHOWN_CHARS, JsonError, decoded, json_complaint, same, shown_json
from watcher.model.target import JsonExpectation
from watcher.text.escaping import MAX_DETAIL_CHARS

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=10,
)


def expecting(path: str, equals: Any) -> JsonExpectation:
    return JsonExpectation(path, jmespath.compile(path), equals)


@given(PLAIN)
def test_valid_json_is_decoded(value: Any) -> None:
    text = json.dumps(value)
    assert same(decoded(text.encode(), None), value)
    assert same(decoded(text.encode("utf-8-sig"), "utf-8"), value)
    assert same(decoded(text.encode("utf-16"), "utf-16"), value)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "Expecting value at line 1, column 1"),
        (b"<html>", "Expecting value at line 1, column 1"),
        (b'{"a": 1\n x}', "at line 2, column 2"),
        (b"{} {}", "Extra data at line 1, column 4"),
        (b"{'a': 1}", "at line 1, column 2"),
        (b'"\x00"', "Invalid control character at line 1, column 2"),
        (b"NaN", "NaN is not a JSON value"),
        (b'{"a": [Infinity]}', "Infinity is not a JSON value"),
        (b"-Infinity", "-Infinity is not a JSON value"),
        (b'"\xff"', "it is not in its charset"),
        (b'"\xed\xa0\x80"', "it is not in its charset"),
        ('"a"'.encode("utf-16"), "it is not in its charset"),
        (b"[" * 1_000_000, "it is nested too deeply"),
        (b'{"a":' * 200_000, "it is nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "it is nested too deeply"),
        (b"1" * 5000, "it has a number of too many digits"),
        (b"\xef\xbb\xbf", "Expecting value"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_invalid_json_is_refused_with_the_reason(body: bytes, complaint: str) -> None:
    with pytest.raises(JsonError) as caught:
        decoded(body, None)
    assert complaint in str(caught.value)


@given(st.binary(), st.sampled_from([None, "utf-8", "latin-1", "utf-16", "shift_jis", "no-such"]))
def test_any_body_is_decoded_or_refused(body: bytes, charset: str | None) -> None:
    with suppress(JsonError):
        decoded(body, charset)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0, -0.0),
        (None, None),
        (True, True),
        ("a", "a"),
        ([1, [2]], [1.0, [2]]),
        ({"a": 1, "b": {"c": []}}, {"b": {"c": []}, "a": 1.0}),
        (10**400, 10**400),
    ],
)
def test_the_same_values_are_the_same(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        (None, False),
        (None, 0),
        ("1", 1),
        ("", None),
        ([], None),
        ([], {}),
        ([], ""),
        ({}, ""),
        ([1], [True]),
        ([1], [1, 2]),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 1}),
        (10**400, 1e308),
        (2**53 + 1, float(2**53)),
    ],
)
def test_values_of_another_kind_or_shape_are_not(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)


@given(PLAIN, PLAIN)
def test_sameness_is_that_of_the_text_with_numbers_by_value(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) is same(other, one)


@pytest.mark.parametrize(
    ("path", "equals", "body", "complaint"),
    [
        ("status.db", "ok", {"status": {"db": "ok"}}, None),
        ("status.db", "ok", {"status": {"db": "down"}}, '"status.db" of the body is "down", not "ok"'),
        ("status.db", "ok", {"status": "fine"}, '"status.db" of the body is null or missing, not "ok"'),
        ("status.db", None, {}, None),
        ("checks[*].up", [True, True], {"checks": [{"up": True}, {"up": True}]}, None),
        ("checks[*].up", [True], {"checks": [{"up": 1}]}, '"checks[*].up" of the body is [1], not [true]'),
        ('"a b"', 1, {"a b": 2}, '"\\"a b\\"" of the body is 2, not 1'),
        ("@", {"a": "ü"}, {"a": "ö"}, '"@" of the body is {"a": "ö"}, not {"a": "ü"}'),
        ("length(@)", 2, [1, 2], None),
        (
            "length(a)",
            2,
            {"a": 5},
            '"length(a)" cannot be found in the body: length() got number, not string or array or object',
        ),
        ("sum(@)", 2, [1e300, 10**400], '"sum(@)" cannot be found in the body: int too large'),
        ("ceil(@)", 1, float("inf"), '"ceil(@)" cannot be found in the body: cannot convert'),
        ("&a", 1, {}, '"&a" cannot be found in the body: '),
        ("[::0]", 1, [1], '"[::0]" cannot be found in the body: '),
    ],
)
def test_the_value_at_a_path_is_compared(path: str, equals: Any, body: Any, complaint: str | None) -> None:
    said = json_complaint(expecting(path, equals), body)
    assert said is None if complaint is None else str(said).startswith(complaint)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(900),
        nested(100_000),
        "x" * 1_000_000,
        ["\ud800\x1b[31m\n\u202e" * 100] * 1000,
        {"k" * 100_000: 1},
        int("9" * 4300),
        -1e308,
    ],
    ids=["deep", "abyss", "long", "hostile", "key", "digits", "float"],
)
def test_a_complaint_is_short_and_safe_for_any_value(value: Any) -> None:
    for path in ("@", "[]", "[*][*]", "to_string(@)", "length(@)", "keys(@)", "a.b.c"):
        said = json_complaint(expecting(path, "ok"), value)
        assert said is not None
        assert said.isprintable()
        assert len(said) < MAX_DETAIL_CHARS


def test_a_path_without_end_is_cut() -> None:
    said = json_complaint(expecting(".".join("a" * 1000), "y" * 1000), {"a": "x" * 1000})
    assert said is not None
    assert len(said) < MAX_DETAIL_CHARS


@given(PLAIN)
def test_shown_values_are_json_on_one_line(value: Any) -> None:
    text = shown_json(value)
    assert len(text) <= MAX_SHOWN_CHARS
    assert text.splitlines() == [text]
    if len(text) < MAX_SHOWN_CHARS and text.isascii() and "\\" not in text:
        assert same(json.loads(text), value)
