"""Redirects: their location, method and headers."""

import pytest

from watcher.checking.http.exchange import Request
from watcher.checking.http.http1 import Head
from watcher.checking.http.redirects import RedirectError, leads_on, next_request, next_url, same_origin, url_of

HERE = url_of("https://shop.example/a/b?c=d")


def a_redirect(*locations: bytes, status_code: int = 302) -> Head:
    return Head(status_code, b"", "1.1", [(b"location", location) for location in locations])


@pytest.mark.parametrize("status_code", [300, 301, 302, 303, 304, 305, 306, 307, 308, 200])
def test_which_statuses_lead_on(status_code: int) -> None:
    assert leads_on(a_redirect(b"/x", status_code=status_code)) is (status_code in {301, 302, 303, 307, 308})
    assert not leads_on(a_redirect(status_code=status_code))


@pytest.mark.parametrize(
    ("location", "following"),
    [
        ("/x", "https://shop.example/x"),
        ("x", "https://shop.example/a/x"),
        ("?y", "https://shop.example/a/b?y"),
        ("//other.example/x", "https://other.example/x"),
        ("http://other.example:8080/x", "http://other.example:8080/x"),
        ("../../../x", "https://shop.example/x"),
        ("", None),
        ("?", "https://shop.example/a/b?"),
        ("#x", "https://shop.example/a/b?c=d"),
        ("..", "https://shop.example/"),
        (".", "https://shop.example/a/"),
        ("/x/y/..", "https://shop.example/x/"),
        (":a", "https://shop.example/a/:a"),
        ("https:x", "https://shop.example/a/x"),
        ("http:x", "http://x"),
        ("///other.example/x", "https://other.example/x"),
        ("https:///other.example/x", "https://other.example/x"),
        ("\\\\other.example\\x", "https://other.example/x"),
        ("\\x?a\\b", "https://shop.example/x?a\\b"),
        ("//u:p@other.example/x", "https://other.example/x"),
        ("//☃.example/é", "https://xn--n3h.example/%C3%A9"),
        ("/a b", "https://shop.example/a%20b"),
    ],
)
def test_relative_addresses_are_joined(location: str, following: str | None) -> None:
    response = a_redirect(location.encode())
    assert leads_on(response) is (following is not None)
    if following is not None:
        assert str(next_url(response, HERE)) == following


def test_the_bytes_of_an_address_go_out_as_they_came() -> None:
    for location, path in [(b"/caf\xe9", b"/caf%E9"), ("/خ".encode(), b"/%D8%AE"), (b"/%e9\xff", b"/%e9%FF")]:
        assert next_url(a_redirect(location), HERE).raw_path == path


def test_an_address_named_twice_counts_once() -> None:
    assert next_url(a_redirect(b"/x", b"/x"), HERE).raw_path == b"/x"
    with pytest.raises(RedirectError, match="several"):
        next_url(a_redirect(b"/x", b"/y"), HERE)


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("ftp://shop.example/", "not http or https"),
        ("javascript:alert(1)", "not http or https"),
        ("http://", "not valid"),
        ("http://[::bad/", "not valid"),
        ("http://a..b/", "not valid"),
        ("http://shop.example:0/", "not valid"),
        ("http://shop.example:99999/", "not valid"),
        (f"http://{'a' * 64}.example/", "not valid"),
        ("/" + "a" * 20_000, "too long"),
    ],
)
def test_an_address_that_cannot_be_asked_for(location: str, text: str) -> None:
    with pytest.raises(RedirectError, match=text):
        next_url(a_redirect(location.encode()), HERE)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/", "https://a.example:443/x", True),
        ("http://a.example/", "http://A.EXAMPLE:80/", True),
        ("https://a.example/", "http://a.example/", False),
        ("http://a.example/", "https://a.example/", False),
        ("https://a.example/", "https://b.a.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert same_origin(url_of(one), url_of(other)) is same


@pytest.mark.parametrize(
    ("method", "status_code", "following"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("GET", 307, "GET"),
    ],
)
def test_the_method_changes_as_in_browsers(method: str, status_code: int, following: str) -> None:
    body = b"x" if method in {"POST", "PUT"} else b""
    first = Request(method, HERE, ((b"Content-Length", b"1"),) if body else (), body)
    request = next_request(first, first, status_code, HERE, stays=True)
    assert request.method == following
    assert request.body == (body if following == method else b"")
    assert ((b"content-length", b"1") in request.headers) is bool(request.body)


def test_only_harmless_headers_go_to_another_origin() -> None:
    secret = ((b"Authorization", b"Bearer s"), (b"Cookie", b"a=b"), (b"X-Key", b"s"))
    first = Request("GET", HERE, (*secret, (b"Accept", b"a/b"), (b"User-Agent", b"w")))
    request = next_request(first, first, 302, url_of("https://other.example/"), stays=False)
    assert request.headers == ((b"host", b"other.example"), (b"accept", b"a/b"), (b"user-agent", b"w"))


def test_a_body_does_not_go_to_another_origin() -> None:
    first = Request("POST", HERE, body=b"x")
    with pytest.raises(RedirectError, match="must not go"):
        next_request(first, first, 307, url_of("https://other.example/"), stays=False)
