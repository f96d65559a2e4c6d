"""Foreign text becomes one printable, bounded line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.text.escaping import MAX_DETAIL_CHARS, MAX_VALUE_CHARS, key_values, one_line, quoted

BIDI_MARKS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
HOSTILE = CONTROLS + BIDI_MARKS + "\u2028\u2029\ufeff\ud800\udcff\udfff"

# With lone surrogates, which the strategy of texts excludes by default.
any_text = st.text(st.one_of(st.characters(), st.sampled_from(HOSTILE)))


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("", ""),
        ("503 Service Unavailable", "503 Service Unavailable"),
        ("Grüße, 日本語, 🙂, e\u0301", "Grüße, 日本語, 🙂, e\u0301"),
        ("two\r\nlines", r"two\r\nlines"),
        ("a\tb", r"a\tb"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("nul\x00", r"nul\x00"),
        ("\x85\x9b31m", r"\x85\x9b31m"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u061c\u200f\u2067", r"\u061c\u200f\u2067"),
        ("\ufeffbom", r"\ufeffbom"),
        ("\udcff\ud800", r"\udcff\ud800"),
    ],
)
def test_characters_that_could_break_a_line_are_escaped(text: str, safe: str) -> None:
    assert one_line(text) == safe


def test_no_hostile_character_comes_through() -> None:
    shown = {f"U+{ord(character):04X}": one_line(f"a{character}b") for character in HOSTILE}
    assert {name: safe for name, safe in shown.items() if not (safe.isascii() and safe.isprintable())} == {}


@pytest.mark.parametrize(
    ("text", "limit_chars", "safe"),
    [
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "abcd…"),
        ("a", 1, "a"),
        ("ab", 1, "…"),
        ("ab\n\n", 5, "ab\\n…"),  # escapes count, and one may be cut
        ("\n" * 10, 4, "\\n\\…"),
    ],
)
def test_text_that_is_too_long_ends_in_an_ellipsis(text: str, limit_chars: int, safe: str) -> None:
    assert one_line(text, limit_chars=limit_chars) == safe


def test_the_limit_of_a_detail_is_the_default() -> None:
    assert one_line("x" * MAX_DETAIL_CHARS) == "x" * MAX_DETAIL_CHARS
    assert len(one_line("x" * 10_000_000)) == MAX_DETAIL_CHARS


@given(any_text, st.integers(min_value=1, max_value=100))
def test_any_text_becomes_one_safe_line(text: str, limit_chars: int) -> None:
    safe = one_line(text, limit_chars=limit_chars)
    assert len(safe) <= limit_chars
    assert len(safe.splitlines()) <= 1
    assert not set(safe) & set(HOSTILE)
    safe.encode("utf-8")


@given(any_text, st.integers(min_value=1, max_value=100))
def test_a_safe_line_stays_as_it_is(text: str, limit_chars: int) -> None:
    safe = one_line(text, limit_chars=limit_chars)
    assert one_line(safe, limit_chars=limit_chars) == safe


def fields_of(line: str) -> dict[str, str]:
    """Parse fields, as a log collector would."""
    fields = {}
    field = re.compile(r'([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^" ]+))(?: |$)')
    position = 0
    while position < len(line):
        match = field.match(line, position)
        assert match is not None, line[position:]
        fields[match[1]] = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        position = match.end()
    return fields


keys = st.sampled_from(["url", "status", "duration_ms", "bytes", "detail"])
plain_text = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), max_size=100)


@given(st.dictionaries(keys, plain_text))
def test_plain_fields_can_be_read_back(fields: dict[str, str]) -> None:
    assert fields_of(key_values(fields)) == fields


@given(st.dictionaries(keys, any_text))
def test_hostile_fields_are_one_line_and_add_no_field(fields: dict[str, str]) -> None:
    line = key_values(fields)
    assert len(line.splitlines()) <= 1
    assert not set(line) & set(HOSTILE)
    assert list(fields_of(line)) == list(fields)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, ""),
        ({"b": 1, "a": 2.5}, "b=1 a=2.5"),
        ({"a": None, "b": 0, "c": False}, "b=0 c=False"),
        ({"a": ""}, 'a=""'),
        ({"url": "https://h:8443/p/a~b?"}, "url=https://h:8443/p/a~b?"),
        ({"url": "https://h/?q=1"}, 'url="https://h/?q=1"'),  # a second `=` could be read as a field
        ({"a": "two words"}, 'a="two words"'),
        ({"a": 'x" b="y'}, r'a="x\" b=\"y"'),
        ({"a": "back\\slash"}, r'a="back\\slash"'),
        ({"a": "é"}, 'a="é"'),
        ({"a": "x\ny"}, r'a="x\\ny"'),
    ],
)
def test_a_value_is_quoted_unless_it_is_plain(fields: dict[str, object], line: str) -> None:
    assert key_values(fields) == line


@pytest.mark.parametrize("character", ["x", " ", "\n"])
def test_no_value_is_too_long(character: str) -> None:
    line = key_values({"a": character * 1_000_000, "b": 1})
    assert line.endswith('…" b=1')
    assert len(line) <= 2 * MAX_VALUE_CHARS + 20  # every character may need an escape of its own


def test_a_traceback_keeps_its_end() -> None:
    traceback = r"\n".join(["line of code"] * 500) + r"\nValueError: the reason"
    assert len(traceback) < MAX_VALUE_CHARS
    assert key_values({"traceback": traceback}).endswith('ValueError: the reason"')


@pytest.mark.parametrize(
    ("text", "in_quotes"), [("", '""'), ("plain", '"plain"'), ('a"b', r'"a\"b"'), ("a\\", r'"a\\"'), ('\\"', r'"\\\""')]
)
def test_quotes_and_backslashes_are_escaped_inside_quotes(text: str, in_quotes: str) -> None:
    assert quoted(text) == in_quotes
