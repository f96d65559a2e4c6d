"""Cookies set during redirects, as in RFC 6265."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from watcher.checking.http.cookies import MAX_COOKIES, CookieJar, cookie_date
from watcher.checking.http.redirects import url_of

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
HERE = "https://a.test/x/y"


def sent(lines: list[str], to: str = HERE, *, own: str = "", by: str = HERE) -> str | None:
    """Set cookies, and return those that are sent to an address."""
    jar = CookieJar()
    jar.take([line.encode() for line in lines], url_of(by), NOW)
    header = jar.header_for(url_of(to), own.encode() or None)
    return None if header is None else header.decode()


@pytest.mark.parametrize(
    ("lines", "to", "header"),
    [
        (["a=1"], HERE, "a=1"),
        (["a=1", "b=2"], HERE, "a=1; b=2"),
        (["a=1; Path=/", "b=2; Path=/x/y"], HERE, "b=2; a=1"),  # the longer path first
        (["a=1", "a=2"], HERE, "a=2"),
        (["a=1", 'b="q"', "a=2"], HERE, 'a=2; b="q"'),  # and it keeps its place in the order
        (["a=b=c; HttpOnly; SameSite=Lax"], HERE, "a=b=c"),
        (["a="], HERE, "a="),
        ([" a = 1 ;Path=/"], HERE, "a=1"),
        (["=1", "none", "", ";a=1"], HERE, None),
        (["a=é"], HERE, "a=é"),
        (["a=\x01", "a\x7f=1", "b=" + "x" * 5000], HERE, None),
        # Deleted, also in the same response.
        (["a=1", "a=; Max-Age=0"], HERE, None),
        (["a=1", "a=; Max-Age=-5"], HERE, None),
        (["a=1", "a=; Expires=Thu, 01-Jan-70 00:00:01 GMT"], HERE, None),
        (["a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], HERE, "a="),  # Max-Age takes precedence
        (["a=1; Expires=never", "b=1; Max-Age=soon"], HERE, "a=1; b=1"),
        # The domain.
        (["a=1"], "https://www.a.test/x/y", None),
        (["a=1; Domain=a.test"], "https://www.a.test/x/y", "a=1"),
        (["a=1; Domain=.A.TEST"], "https://www.a.test/x/y", "a=1"),
        (["a=1; Domain=a.test"], "https://ba.test/x/y", None),
        (["a=1; Domain=other.test", "b=1; Domain=www.a.test", "c=1; Domain=test"], HERE, None),
        (["a=1; Domain="], HERE, "a=1"),
        # The path.
        (["a=1; Path=/x"], "https://a.test/x", "a=1"),
        (["a=1; Path=/x"], "https://a.test/xy", None),
        (["a=1; Path=/x/"], "https://a.test/x", None),
        (["a=1; Path=foo"], "https://a.test/x/z", "a=1"),  # the default is used instead
        (["a=1; Path=foo"], "https://a.test/z", None),
        (["a=1; Path=/; Path=/b"], "https://a.test/b?c", "a=1"),
        (["a=1; Secure; Path=/"], "http://a.test/", None),
        (["a=1; Path=/"], "http://a.test:8080/", "a=1"),
    ],
)
def test_which_cookies_go_where(lines: list[str], to: str, header: str | None) -> None:
    assert sent(lines, to) == header


def test_an_ip_address_has_no_domain_above() -> None:
    assert sent(["a=1; Domain=0.1"], "http://127.0.0.1/", by="http://127.0.0.1/") is None
    assert sent(["a=1; Domain=127.0.0.1"], "http://127.0.0.1/", by="http://127.0.0.1/") == "a=1"


def test_secure_cookies_are_not_set_over_plain_http() -> None:
    assert sent(["a=1; Secure"], "https://a.test/", by="http://a.test/") is None


@pytest.mark.parametrize(
    ("lines", "header"),
    [
        ([], "own=1; session=old"),
        (["a=1"], "own=1; session=old; a=1"),
        (["session=new"], "own=1; session=new"),
        (["session=; Max-Age=0"], "own=1"),
    ],
)
def test_cookies_of_ones_own_are_sent_beside_those_of_the_site(lines: list[str], header: str) -> None:
    assert sent(lines, own="own=1; session=old") == header


def test_a_site_cannot_fill_the_memory() -> None:
    header = sent([f"c{number}=1" for number in range(MAX_COOKIES + 10)])
    assert header is not None
    assert header.split("; ") == [f"c{number}=1" for number in range(10, MAX_COOKIES + 10)]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun Nov  6 08:49:37 1994", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Wed, 01-jan-69 0:0:0", datetime(2069, 1, 1, tzinfo=UTC)),
        ("01 Jan 70 00:00:00", datetime(1970, 1, 1, tzinfo=UTC)),
        ("31 Feb 2026 00:00:00", None),
        ("tomorrow", None),
        ("1 Jan 2026", None),
        ("", None),
    ],
)
def test_dates(text: str, moment: datetime | None) -> None:
    assert cookie_date(text) == moment
