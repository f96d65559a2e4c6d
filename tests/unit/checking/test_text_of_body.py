"""Decodes a body to text."""

import encodings
from encodings.aliases import aliases

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.http.exchange import Exchange
from watcher.checking.verdict.charset import MAX_GROWTH, as_utf8, codec_for, text_codec
from watcher.model.outcome import Phases

OF_NO_PAGE = ["hex", "base64", "rot13", "no-such", "a\x00b", "x" * 1000, "idna", "punycode", "utf-7", "unicode_escape"]
OF_NO_PAGE += ["raw_unicode_escape", "undefined", "mbcs", "oem", "", "\ud800", "../aliases", "aliases"]
EVERY_CHARSET = sorted({*aliases, *aliases.values(), "koi8-u", "utf-8-sig", *OF_NO_PAGE})


def test_a_charset_that_no_page_has_is_taken_for_utf_8() -> None:
    assert [charset for charset in OF_NO_PAGE if codec_for(charset) is not None] == []
    assert {as_utf8(b"\xff it is ok", codec_for(charset)) for charset in OF_NO_PAGE} == {b"\xff it is ok"}


def test_utf_8_is_not_copied() -> None:
    body = bytes(range(256))
    assert [
        name for name in (None, "utf-8", "UTF-8", "utf8", "Utf_8") if as_utf8(body, codec_for(name)) is not body
    ] == []


@pytest.mark.parametrize(
    "charset", ["latin-1", "ISO-8859-1", "windows-1252", "utf-16", "UTF-16LE", "cp1252", "iso-8859-15", "macintosh"]
)
def test_text_is_brought_from_the_charset_of_the_page(charset: str) -> None:
    assert as_utf8("Grüße".encode(charset), codec_for(charset)) == "Grüße".encode()


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("koi8-u", "koi8-u", "Привіт"),
        ("Shift_JIS", "cp932", "日本語①"),
        ("x-sjis", "cp932", "日本"),
        ("windows-31j", "cp932", "日本"),
        ("gb2312", "gbk", "朱镕基"),
        ("x-gbk", "gbk", "中文"),
        ("euc-kr", "cp949", "똠방각하"),
        ("ks_c_5601-1987", "cp949", "한국"),
        ("big5", "big5hkscs", "中文"),
        ("iso-8859-1", "cp1252", "5 €"),
        ("latin-1", "cp1252", "5 €"),
        ("us-ascii", "cp1252", "ü"),
        ("iso-8859-9", "cp1254", "5 €"),
        ("windows-874", "cp874", "ไทย"),
        ("tis-620", "cp874", "ไทย"),
        ("x-mac-cyrillic", "mac-cyrillic", "Привет"),
        ("utf-32-le", "utf-32-le", "no browser knows it"),
    ],
)
def test_charsets_are_read_as_browsers_do(charset: str, codec: str, text: str) -> None:
    assert as_utf8(text.encode(codec), codec_for(charset)) == text.encode()


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/html", b'<meta charset="shift_jis">' + "日本".encode("cp932"), "日本"),
        ("text/html", b'<META http-equiv=x content="text/html; charset=gb2312">' + "中文".encode("gbk"), "中文"),
        (None, b"<meta charset=koi8-r>" + "мир".encode("koi8-r"), "мир"),
        ("application/rss+xml", b"<?xml version='1.0' encoding='windows-1251'?>" + "мир".encode("cp1251"), "мир"),
        ("text/html; charset=utf-8", b'<meta charset="shift_jis">' + "日本".encode(), "日本"),
        ("text/plain", b'<meta charset="shift_jis">' + "日本".encode(), "日本"),
        ("text/html", b'<!-- <meta charset="shift_jis"> -->' + "日本".encode(), "日本"),
        ("text/html", b'<meta charset="utf-16">' + "日本".encode(), "日本"),
        ("text/html", b" " * 1024 + b'<meta charset="shift_jis">' + "日本".encode(), "日本"),
        ("text/html; charset=latin-1", "\ufeff日本".encode(), "^日本"),
        ("text/html", "\ufeff<p>ä".encode("utf-16-le"), "^<p>ä"),
        ("text/html; charset=utf-8", "\ufeffä".encode("utf-16-be"), "^ä"),
        ("text/html; charset=utf-8", b"\xef\xbb\xbf<!doctype html>", "^<!doctype"),
    ],
)
def test_the_declared_charset_of_a_page_is_used(content_type: str | None, body: bytes, text: str) -> None:
    headers = () if content_type is None else ((b"content-type", content_type.encode()),)
    charset = (content_type or "").partition("charset=")[2] or None
    exchange = Exchange(phases=Phases(), status_code=200, headers=headers, charset=charset, body=body)
    assert re2.search(text.encode(), as_utf8(body, text_codec(exchange))) is not None


@given(body=st.binary(), charset=st.sampled_from(EVERY_CHARSET) | st.text())
def test_every_body_has_a_text_of_bounded_length(body: bytes, charset: str) -> None:
    text = as_utf8(body, codec_for(charset))
    assert len(text) <= MAX_GROWTH * max(len(body), 1)


def test_no_byte_grows_beyond_the_bound() -> None:
    growing = [
        (charset, byte)
        for charset in EVERY_CHARSET
        for byte in range(256)
        if len(as_utf8(bytes([byte]) * 64, codec_for(charset))) > 64 * MAX_GROWTH
    ]
    assert growing == []


def test_invented_charsets_are_not_cached() -> None:
    before = len(encodings._cache)
    for number in range(100):
        as_utf8(b"x", codec_for(f"invented-{number}"))
    assert len(encodings._cache) == before
