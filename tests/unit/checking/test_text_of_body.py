"""The text that a body stands for."""

import encodings
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.verdict.charset import MAX_GROWTH, as_utf8, codec_for

OF_NO_PAGE = ["hex", "base64", "rot13", "no-such", "a\x00b", "x" * 1000, "idna", "punycode", "utf-7", "unicode_escape"]
OF_NO_PAGE += ["raw_unicode_escape", "undefined", "mbcs", "oem", "", "\ud800", "../aliases", "aliases"]
EVERY_CHARSET = sorted({*aliases, *aliases.values(), "koi8-u", "utf-8-sig", *OF_NO_PAGE})


def test_a_charset_that_no_page_has_is_taken_for_utf_8() -> None:
    assert [charset for charset in OF_NO_PAGE if codec_for(charset) is not None] == []
    assert {as_utf8(b"\xff it is ok", charset) for charset in OF_NO_PAGE} == {b"\xff it is ok"}


def test_utf_8_is_not_copied() -> None:
    body = bytes(range(256))
    assert [name for name in (None, "utf-8", "UTF-8", "utf8", "Utf_8") if as_utf8(body, name) is not body] == []


@pytest.mark.parametrize(
    "charset", ["latin-1", "ISO-8859-1", "windows-1252", "utf-16", "UTF-16LE", "cp1252", "iso-8859-15", "macintosh"]
)
def test_text_is_brought_from_the_charset_of_the_page(charset: str) -> None:
    assert as_utf8("Grüße".encode(charset), charset) == "Grüße".encode()


@pytest.mark.parametrize(("charset", "text"), [("koi8-u", "Привіт"), ("Shift_JIS", "日本語"), ("gb2312", "中文")])
def test_the_charsets_of_the_world_are_known(charset: str, text: str) -> None:
    assert as_utf8(text.encode(charset), charset) == text.encode()


@given(body=st.binary(), charset=st.sampled_from(EVERY_CHARSET) | st.text())
def test_every_body_has_a_text_of_bounded_length(body: bytes, charset: str) -> None:
    text = as_utf8(body, charset)
    assert len(text) <= MAX_GROWTH * max(len(body), 1)


def test_no_byte_grows_beyond_the_bound() -> None:
    growing = [
        (charset, byte)
        for charset in EVERY_CHARSET
        for byte in range(256)
        if len(as_utf8(bytes([byte]) * 64, charset)) > 64 * MAX_GROWTH
    ]
    assert growing == []


def test_python_is_not_made_to_remember_what_sites_invent() -> None:
    before = len(encodings._cache)
    for number in range(100):
        as_utf8(b"x", f"invented-{number}")
    assert len(encodings._cache) == before
