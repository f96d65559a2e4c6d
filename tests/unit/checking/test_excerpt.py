"""The excerpt of a failing response: the start of the body and some headers, without secrets of the target."""

import socket
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.doubles import a_target
from tests.naming import naming
from tests.unit.checking.test_text_of_body import EVERY_CHARSET
from watcher.checking.http.dial import LocalConnectError
from watcher.checking.http.exchange import Exchange
from watcher.checking.http.faults import fault_of
from watcher.checking.http.http1 import ProtocolError
from watcher.checking.http.proxies import ProxyError
from watcher.checking.verdict.excerpt import (
    KEPT_HEADERS,
    MAX_EXCERPT_CHARS,
    MAX_HEADER_CHARS,
    MAX_HEADERS,
    excerpt_of,
    headers_of,
    masked_fault,
)
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.target import Connecting, Sending, Target, basic_authorization
from watcher.secrets.masking import MIN_SECRET_CHARS, masked
from watcher.secrets.of_targets import secrets_of
from watcher.text.escaping import MAX_DETAIL_CHARS, one_line

PLAIN = a_target()
TOKEN = "hunter2-Zq7x"


def an_exchange(
    body: bytes = b"", charset: str | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Exchange:
    return Exchange(phases=Phases(), status_code=503, body=body, charset=charset, headers=headers)


def with_token(token: str = TOKEN) -> Target:
    return a_target(sending=Sending(authorization=f"Bearer {token}"))


def assert_fit_to_be_kept(text: str, limit_chars: int) -> None:
    assert len(text) <= limit_chars
    assert one_line(text, limit_chars) == text
    assert len(text.splitlines()) == 1
    text.encode("utf-8")


def test_an_excerpt_is_the_start_of_the_body_in_one_line() -> None:
    body = "<h1>503</h1>\r\n\tGrüße\x1b[2J\u202e".encode() + b"\xff\x00"
    assert excerpt_of(an_exchange(body), PLAIN) == r"<h1>503</h1>\r\n\tGrüße\x1b[2J\u202e" + "\ufffd" + r"\x00"


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "cp1252", "no-such", None])
def test_an_excerpt_is_in_the_charset_of_the_page(charset: str | None) -> None:
    body = "Grüße".encode("utf-8" if charset in {None, "no-such"} else str(charset))
    assert excerpt_of(an_exchange(body, charset), PLAIN) == "Grüße"


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf"])
def test_without_a_body_there_is_no_excerpt(body: bytes) -> None:
    assert excerpt_of(an_exchange(body), PLAIN) is None
    assert excerpt_of(Exchange(phases=Phases(), fault=Fault(Reason.CONNECT, "refused")), PLAIN) is None


def test_an_excerpt_is_of_a_kilobyte() -> None:
    assert excerpt_of(an_exchange(b"a" * 1024 + b"b"), PLAIN) == "a" * 1024
    assert excerpt_of(an_exchange(b"a" * 1024 + b"b"), with_token()) == "a" * 1024
    assert excerpt_of(an_exchange("ü".encode() * 1024), with_token()) == "ü" * 512


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-32-le"])
def test_a_secret_on_the_edge_is_not_half_shown(charset: str) -> None:
    size = len("a".encode(charset))
    for before in range(1024 - len(TOKEN) - 1, 1026):
        body = ("a" * (before // size) + TOKEN + "and so on" * 100).encode(charset)
        with naming(before):
            excerpt = excerpt_of(an_exchange(body, charset), with_token())
            assert excerpt is not None
            assert excerpt.strip("a…").lstrip("*") in {"", *("nd so on"[:end] for end in range(9))}


def test_many_secrets_before_the_edge_draw_no_half_one_in() -> None:
    excerpt = excerpt_of(an_exchange(f"{TOKEN} ".encode() * 1000), with_token())
    assert excerpt is not None
    assert set(excerpt.split(" ")) <= {"***", ""}


@pytest.mark.parametrize(
    ("target", "secrets"),
    [
        (a_target(address="https://someone:hunter2@a.example/"), ["someone", "hunter2", "someone:hunter2"]),
        (a_target(address="https://someone:hunter%2f2@a.example/"), ["hunter/2", "hunter%2f2", "hunter%2F2"]),
        (a_target(address="https://sk_live_1234@a.example/"), ["sk_live_1234"]),
        (a_target(address="https://u:hunter2@a.example/"), [b64encode(b"u:hunter2").decode()]),
        (a_target(address="https://a.example/?a=1&token=hunt%20er2"), ["hunt er2", "hunt%20er2", "hunt+er2"]),
        (a_target(address="https://a.example/?token=hunt+er2"), ["hunt+er2", "hunt er2"]),
        (a_target(address="https://a.example/?hunter2"), ["hunter2"]),
        (a_target(sending=Sending(authorization="Bearer hunter2")), ["Bearer hunter2", "hunter2"]),
        (
            a_target(sending=Sending(authorization=basic_authorization("someone", "hunter2"))),
            ["someone:hunter2", "hunter2", b64encode(b"someone:hunter2").decode()],
        ),
        (a_target(sending=Sending(headers=(("authorization", "Basic c29tZW9uZTpodW50ZXIy"),))), ["hunter2"]),
        (a_target(sending=Sending(headers=(("X-Api-Key", "hunter2"),))), ["hunter2"]),
        (a_target(sending=Sending(headers=(("Cookie", 'session=hunter2; b="hunter3"'),))), ["hunter2", "hunter3"]),
        (a_target(sending=Sending(headers=(("Authorization", "Digest a=b, response=hunter2"),))), ["hunter2"]),
        (a_target(connecting=Connecting(proxy_url="http://someone:hunter2@proxy:3128")), ["someone", "hunter2"]),
    ],
)
def test_secrets_are_masked(target: Target, secrets: list[str]) -> None:
    for secret in secrets:
        excerpt = excerpt_of(an_exchange(f"<{secret}>".encode()), target)
        assert excerpt in {"<***>", "<***:***>", "<Bearer ***>"}, excerpt


@pytest.mark.parametrize(
    "target",
    [
        a_target(address="https://a.example/path/?page=1"),
        a_target(address="https://abc:def@a.example/?b="),
        a_target(
            sending=Sending(headers=(("Accept", "text/html"), ("Host", "a.example"), ("X-Forwarded-Proto", "https")))
        ),
        a_target(sending=Sending(headers=(("Content-Type", "text/html"),), body=b'{"page": "text/html"}')),
        a_target(sending=Sending(authorization="Basic Zm9v=x")),
        a_target(sending=Sending(authorization="Bearer hunter2")),
    ],
)
def test_other_text_is_left_readable(target: Target) -> None:
    text = '1 abc def https://a.example/path/ text/html {"page": "text/html"} Bearer is wanted'
    assert excerpt_of(an_exchange(text.encode()), target) == text


def test_headers_worth_having_are_kept_in_their_order() -> None:
    raw = [
        (b"server", b"nginx"),
        (b"set-cookie", b"session=abc"),
        (b"via", b"1.1 a"),
        (b"x-powered-by", b"PHP"),
        (b"via", b"1.1 b"),
        (b"location", b"https://u:p@b.example/?token=abc#d"),
        (b"retry-after", b"120"),
    ]
    assert headers_of(an_exchange(headers=tuple(raw)), PLAIN) == (
        ("server", "nginx"),
        ("via", "1.1 a, 1.1 b"),
        ("location", "https://b.example/?token=***"),
        ("retry-after", "120"),
    )


def test_without_a_response_there_are_no_headers() -> None:
    assert headers_of(Exchange(phases=Phases(), fault=Fault(Reason.CONNECT, "refused")), PLAIN) == ()


def test_headers_are_bounded() -> None:
    raw = tuple((name.encode(), b"\x80" * 5000) for name in sorted(KEPT_HEADERS))
    kept = headers_of(an_exchange(headers=raw), PLAIN)
    assert len(kept) == MAX_HEADERS < len(KEPT_HEADERS)
    assert {len(value) for _, value in kept} == {MAX_HEADER_CHARS}


def test_a_secret_in_a_header_is_masked_before_it_is_cut() -> None:
    raw = ((b"location", b"/a/hunter2-Zq7x"), (b"etag", b"e" * 195 + TOKEN.encode()), (b"server", TOKEN.encode()))
    assert headers_of(an_exchange(headers=raw), with_token()) == (
        ("location", "/a/***"),
        ("etag", "e" * 195 + "***"),
        ("server", "***"),
    )


@pytest.mark.parametrize("reason", [Reason.STATUS, Reason.JSON, Reason.PROTOCOL, Reason.CONNECT, Reason.LOCAL])
def test_a_detail_that_quotes_the_site_has_no_secret(reason: Reason) -> None:
    assert masked_fault(Fault(reason, f"401 no {TOKEN}!"), with_token()) == Fault(reason, "401 no ***!")


def test_the_start_of_a_secret_before_a_cut_is_masked() -> None:
    for before in range(MAX_DETAIL_CHARS - len(TOKEN) - 1, MAX_DETAIL_CHARS - MIN_SECRET_CHARS):
        fault = Fault(Reason.STATUS, "x" * before + TOKEN + "y" * 100)
        assert masked_fault(fault, with_token()).detail.strip("xy…") == "***"
    assert masked_fault(Fault(Reason.JSON, f'is "{TOKEN[:7]}…, not "ok"'), with_token()).detail == 'is "***…, not "ok"'


@pytest.mark.parametrize(
    ("user", "password", "error", "detail"),
    [
        ("user", "password", ProxyError("the proxy refused the user name or the password"), None),
        (
            "proxy",
            "connect",
            ProxyError("the proxy refused to connect: 407 ", "no proxy"),
            "refused to connect: 407 no ***",
        ),
        ("response", "HTTP", ProtocolError("the response is not HTTP: a response"), "the response is not HTTP: a ***"),
        (
            "response",
            "claims",
            ProtocolError("the response claims to be RTSP/claims"),
            "response claims to be RTSP/***",
        ),
        ("connection", "reset", ProtocolError("the connection was closed without a response"), None),
        ("name", "unknown", socket.gaierror(-2, "Name or service not known"), None),
        ("machine", "this", LocalConnectError(24, "Too many open files"), None),
    ],
)
def test_words_of_our_own_are_never_masked(user: str, password: str, error: Exception, detail: str | None) -> None:
    fault = fault_of(error, None)
    assert fault is not None
    found = masked_fault(fault, a_target(address=f"https://{user}:{password}@a.example/"))
    assert found is fault if detail is None else found.detail.endswith(detail)


tokens = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=MIN_SECRET_CHARS, max_size=30)
targets = st.one_of(
    st.builds(with_token, tokens),
    st.builds(lambda a, b: a_target(sending=Sending(authorization=basic_authorization(a, b))), tokens, tokens),
    st.builds(lambda a, b: a_target(sending=Sending(headers=(("X-Key", a), ("Cookie", f"s={b}")))), tokens, tokens),
    st.builds(
        lambda a, b: a_target(address=f"https://{quote(a, safe='')}@a.example/?k={quote(b, safe='')}"), tokens, tokens
    ),
)


@hypothesis_settings(deadline=None)
@given(st.data(), targets, st.one_of(st.none(), st.sampled_from(EVERY_CHARSET)))
def test_whatever_a_site_sends_back_no_secret_appears(data: st.DataObject, target: Target, charset: str | None) -> None:
    secrets = secrets_of(target)
    wholes = (target.address, target.sending.authorization or "", *(value for _, value in target.sending.headers))
    echoes = st.sampled_from([*secrets, *wholes]).map(lambda text: text.encode("utf-8", "replace"))
    pieces = st.lists(st.one_of(echoes, st.binary(max_size=300), st.sampled_from([b"***", "…".encode(), b"x" * 1000])))
    body = b"".join(data.draw(pieces))
    raw = data.draw(st.lists(st.tuples(st.sampled_from([name.encode() for name in sorted(KEPT_HEADERS)]), pieces)))
    exchange = an_exchange(body, charset, tuple((name, b"".join(value)) for name, value in raw))
    kept = [value for _, value in headers_of(exchange, target)]
    excerpt = excerpt_of(exchange, target)
    fault = masked_fault(Fault(Reason.STATUS, body.decode("utf-8", "replace")), target)
    for value in kept:
        assert_fit_to_be_kept(f"{value}.", MAX_HEADER_CHARS + 1)
    if excerpt is not None:
        assert_fit_to_be_kept(excerpt, MAX_EXCERPT_CHARS)
    for text in (*kept, excerpt or "", fault.detail):
        assert not [secret for secret in secrets if secret in text]


@hypothesis_settings(deadline=None)
@given(
    st.integers(900, 1030),
    st.text("abcdefgh0123456789", min_size=6, max_size=40),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16", "utf-32", "latin-1", "iso2022_jp", "gb18030", "shift_jis"]),
)
def test_no_part_of_a_secret_is_left_on_the_edge_in_any_charset(before: int, secret: str, charset: str) -> None:
    body = ("." * (before * 2 // len("..".encode(charset))) + secret).encode(charset)
    excerpt = excerpt_of(an_exchange(body, charset), with_token(secret))
    assert excerpt is not None
    assert not set(excerpt) & set(secret)


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters()))
def test_no_target_is_too_odd_to_list_its_secrets(one: str, two: str, three: str) -> None:
    sending = Sending(authorization=f"Basic {one}", headers=(("X", two), ("Cookie", f"a={three}")))
    target = a_target(sending=sending, address=f"https://a.example/?{quote(one, errors='replace')}")
    text = masked(f"{one} {two} {three}", secrets_of(target))
    assert not [secret for secret in secrets_of(target) if secret in text]
