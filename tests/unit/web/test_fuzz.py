"""Any request gets an answer other than a fault, and words of sites and viewers are never more than text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import structlog.testing
import trio
import trio.testing
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.doubles import a_failure
from tests.unit.web.test_metrics import THREE, a_present
from tests.unit.web.test_overview import HOSTILE, Markup
from tests.unit.web.viewers import asked, get, serving, status_of
from watcher.model.outcome import Fault, Reason
from watcher.web.access.rules import AccessRules
from watcher.web.app import app_of
from watcher.web.serving.bounds import Bounded
from watcher.web.sites import Sites

if TYPE_CHECKING:
    from watcher.web.present import Present

# A failing example is shown as it was: looking for a shorter one takes minutes.
FUZZING = settings(max_examples=100, phases=[Phase.explicit, Phase.generate])
CONNECTING = settings(FUZZING, max_examples=25)
CONNECTIONS = 8  # an example


def hostile_present() -> Present:
    """Return the state of a daemon that watches sites with hostile names and words."""
    failures = [a_failure(text, address=f"http://x/{text}") for text in HOSTILE]
    present = a_present(
        *THREE, *(one._replace(fault=Fault(Reason.STATUS, one.target + "\r\n" + "</title>")) for one in failures)
    )
    present.targets = {name: replace(target, group=name) for name, target in present.targets.items()}
    # Of the page alone, and of answers when the past cannot be read.
    present.is_database_up = lambda: False
    return present


KEYS = [
    quote(site.key, safe="")
    for public in (True, False)
    for site in Sites.of(hostile_present().targets.values(), public=public).all
]
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
HOSTILE_TEXT = st.one_of(TEXT, st.sampled_from([*HOSTILE, "..", "/etc/passwd", "-1", "9" * 30, "x" * 20_000, "%00"]))
HEADER = st.builds(
    str.__add__,
    st.sampled_from(["", "Basic ", "Bearer ", "[", "localhost:", "http://", "W/", "gzip;q="]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60),
)
ROOTS = [
    *("/", "/incidents", "/feed.atom", "/metrics", "/livez", "/readyz", "/-/reload", "/events", "/static/page.css"),
    *("/watch", "/watch/metrics", "/watch/", "/..//metrics", "/api/openapi.json", "/api/v1/endpoints/statuses"),
    *("/api/v1/targets", "/api/v1/incidents", "/api/v1/failures", "/api/v1/report"),
]
OF_A_TARGET = [
    *("/targets/{}", "/static/{}", "/api/v1/endpoints/{}/statuses", "/api/v1/endpoints/{}/uptimes/7d/badge.svg"),
    *("/api/v1/endpoints/{}/health/badge.shields", "/api/v1/endpoints/{}/response-times/24h/badge.svg"),
]
PATHS = st.one_of(
    st.sampled_from(ROOTS),
    st.builds(str.format, st.sampled_from(OF_A_TARGET), st.one_of(st.sampled_from(KEYS), HOSTILE_TEXT)),
    TEXT.map(lambda text: f"/{text}"),
)
KEYS_OF_QUERIES = ["q", "state", "group", "sort", "page", "range", "name", "cursor", "limit", "since", "until"]
VALUES = st.one_of(HOSTILE_TEXT, st.sampled_from(["down", "slowest", "7d", "2", *HOSTILE]))
QUERIES = st.one_of(
    TEXT,
    st.dictionaries(st.sampled_from(KEYS_OF_QUERIES), VALUES, min_size=1).map(
        lambda query: "&".join(f"{name}={quote(value)}" for name, value in query.items())
    ),
)
NAMES = st.sampled_from(
    [
        *("host", "origin", "authorization", "accept", "accept-encoding", "sec-fetch-site", "cookie", "range"),
        *("if-none-match", "if-modified-since", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    ]
)
CREDENTIALS = st.tuples(st.just("authorization"), HEADER.map("Basic {}".format))
RULES = st.sampled_from(
    [
        AccessRules(),
        AccessRules(token="0123456789abcdef", is_public=True),
        AccessRules(token="0123456789abcdef", url="https://status.example/watch"),
    ]
)


METHODS = st.sampled_from(["GET", "GET", "HEAD", "POST", "DELETE", "PUT", "get", "BREW"])


def answer_to(
    rules: AccessRules, method: str, path: str, query: str, headers: list[tuple[str, str]]
) -> tuple[int, dict[str, str], bytes]:
    """Send a request to the app, and return the status, the headers and the body."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "scheme": "http",
        "client": None,  # as at a unix socket: the headers of proxies are trusted
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)

    async def ask() -> None:
        await Bounded(app_of(hostile_present(), rules))(scope, receive, send)

    trio.run(ask, clock=trio.testing.MockClock(autojump_threshold=0))
    [start] = [message for message in messages if message["type"] == "http.response.start"]
    answered = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], answered, b"".join(message.get("body", b"") for message in messages)


@FUZZING
@given(
    rules=RULES,
    method=METHODS,
    path=PATHS,
    query=QUERIES,
    host=st.sampled_from([[("host", "localhost")], [("host", "127.0.0.1:80")], [("host", "[::1]:80")], []]),
    headers=st.lists(st.one_of(st.tuples(NAMES, HEADER), CREDENTIALS), max_size=3),
)
def test_no_request_has_a_fault_for_an_answer(
    rules: AccessRules, method: str, path: str, query: str, host: list[tuple[str, str]], headers: list[tuple[str, str]]
) -> None:
    status, answered, _ = answer_to(rules, method, path, query, [*host, *headers])
    assert status < 500 or (status == 503 and (path.endswith("/readyz") or "retry-after" in answered))


@FUZZING
@given(
    rules=st.sampled_from([AccessRules(), AccessRules(is_public=True), AccessRules(url="https://localhost/watch")]),
    path=st.one_of(
        st.sampled_from(["/", "/", "/incidents"]),
        st.one_of(st.sampled_from(KEYS), HOSTILE_TEXT.filter(lambda text: "/" not in text)).map("/targets/{}".format),
    ),
    query=QUERIES,
    headers=st.lists(st.tuples(st.sampled_from(["cookie", "range", "accept", "if-none-match"]), HEADER), max_size=3),
)
def test_pages_are_whole_whatever_they_are_asked(
    rules: AccessRules, path: str, query: str, headers: list[tuple[str, str]]
) -> None:
    path = unquote(path)  # as servers do
    status, answered, body = answer_to(rules, "GET", path, query, [("host", "localhost"), *headers])
    assert status in {200, 404, 400, 414, 431}
    is_page = answered["content-type"].startswith("text/html")
    assert is_page or status != 200
    assert not is_page or Markup(body.decode()).forbidden == []


PIECES = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\xff", b"%", b"%00", b"..", b"//", b"#", b"?", b"HTTP/1.1"),
    *(b"Host: x\r\n", b"Host: localhost\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"HTTP/1.0"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    *(b"ffffffffff\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n"),
    *(b"Expect: 100-continue\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
]
SEEDS = [
    get("/").encode(),
    get("/targets/%3Cb%3E?range=7d", "Authorization: Bearer x").encode(),
    get("/-/reload", "Content-Length: 5", method="POST").encode() + b"hello",
    get("/-/reload", "Transfer-Encoding: chunked", method="POST").encode() + b"5\r\nhello\r\n0\r\n\r\n",
    get("/livez").replace("Connection: close\r\n", "").encode() + get("/metrics").encode(),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Change good requests in a few places."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(raw)))
        end = min(begin + draw(st.sampled_from([0, 0, 1, 8, 40])), len(raw))
        raw[begin:end] = draw(st.one_of(st.just(b""), st.sampled_from(PIECES), st.binary(max_size=8)))
    return bytes(raw)


@CONNECTING
@given(requests=st.lists(mutated(), min_size=CONNECTIONS, max_size=CONNECTIONS))
def test_whatever_comes_over_a_connection_ends_that_one_at_most(requests: list[bytes]) -> None:
    async def ask(port: int, request: bytes) -> None:
        # A client that has sent everything is not waited for.
        answer = await asked(port, request, ends=True)
        # 501 is for an unknown transfer coding (RFC 9112, section 6.1).
        assert answer == b"" or (answer.startswith(b"HTTP/1.1 ") and status_of(answer) in {*range(500), 501}), request

    async def ask_all() -> None:
        async with serving(app_of(hostile_present(), AccessRules())) as (server, port):
            async with trio.open_nursery() as nursery:
                for request in requests:
                    nursery.start_soon(ask, port, request)
            assert status_of(await asked(port, get("/livez"))) == 200
            while server.open_connections:  # noqa: ASYNC110
                await trio.sleep(0.001)

    with structlog.testing.capture_logs() as lines:
        trio.run(ask_all)
    assert lines == []
