"""Whatever a site sends, and wherever it redirects: a check has an outcome, which is never this monitor's fault."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import trio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.doubles import a_target
from tests.hostile.harness import checked, local_lookup
from tests.hostile.servers import Request, by_path, response, serving
from watcher.checking.check_context import open_check_context
from watcher.checking.http.resolver import Resolver
from watcher.config.targets.address import complaint_about
from watcher.model.outcome import Reason
from watcher.model.target import Expectations, HeaderPattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.hostile.servers import Step
    from watcher.model.outcome import Outcome

import re2

TIMEOUT_SECONDS = 0.3
BATCH = 8
FUZZING = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

# Each is cut, joined and changed in places; the names do not resolve, and no number leads off this machine.
SEEDS = [
    response(),
    response(headers="Content-Type: text/html; charset=utf-8\r\nSet-Cookie: a=b; Path=/; Max-Age=9\r\n"),
    response(
        b"\x1f\x8b\x08\0\0\0\0\0\0\3\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\5\0\0\0", headers="Content-Encoding: gzip\r\n"
    ),
    response(b"x\x9c\xcbH\xcd\xc9\xc9\x07\0\x06,\x02\x15", headers="Content-Encoding: deflate\r\n"),
    response(status="302 Found", headers="Location: /again\r\nSet-Cookie: a=b; Domain=site.test\r\n"),
    response(status="301 Moved", headers="Location: http://user:word@site.test:8080/a/../b?c=d#e\r\n"),
    response(status="503 Busy", headers="Retry-After: 1\r\n"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
]
PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\t", b";", b",", b"=", b'"', b"\xff", b"\xc3\xa4", b"0", b"-1", b"5",
    b"99999999999999999999", b"HTTP/1.1", b"200", b"302", b"chunked", b"gzip", b"Content-Length: 5", b"Location: ",
    b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"charset*=a%00b''x", b"http://", b"//", b"[", b"]", b"@",
    b"%", b"\\", b"xn--", b"..",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Change good responses in a few places."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        begin = draw(st.integers(0, len(raw)))
        end = min(begin + draw(st.sampled_from([0, 0, 1, 1, 2, 8, 40])), len(raw))
        raw[begin:end] = draw(st.one_of(st.just(b""), st.sampled_from(PIECES), st.binary(max_size=8)))
    return bytes(raw)


RESPONSES = st.one_of(mutated(), st.binary(max_size=200), st.binary(max_size=200).map(b"HTTP/1.1 200 OK\r\n".__add__))
HEADERS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(
                ["Content-Type", "Content-Encoding", "Set-Cookie", "Location", "Content-Length", "Refresh"]
            ),
            st.text(string.ascii_letters + string.digits + "-_!#", min_size=1, max_size=20),
        ),
        st.one_of(
            st.sampled_from(["gzip", "text/html; charset=", "a=b; expires=", "chunked", "0"]),
            st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60),
        ),
    ),
    max_size=8,
)
HOSTS = st.one_of(
    st.sampled_from(
        ["localhost", "127.0.0.1", "127.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "a.test."]
    ),
    st.text(string.ascii_letters + "-_.%ä。ß１", min_size=1, max_size=70).map(lambda name: f"{name}.test"),
    st.text(string.ascii_lowercase + string.digits, max_size=12).map(lambda label: f"xn--{label}.test"),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(lambda text: f"[{text}]"),
)
ADDRESSES = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://", "http:", "http:/", "//", "ftp://", "javascript:", ""]),
    st.one_of(st.just(""), st.text(max_size=8).map(lambda user: f"{user}@"), st.just("user:word@")),
    HOSTS,
    st.one_of(st.just(""), st.integers(-1, 70000).map(lambda port: f":{port}"), st.just(":"), st.just(":x")),
    st.text(max_size=20).map(lambda path: f"/{path}"),
)
LOCATIONS = st.one_of(ADDRESSES, st.text(st.characters(exclude_characters="\r\n"), max_size=60))


async def _outcomes(answers: Sequence[bytes], **changes: Any) -> list[Outcome]:
    """Check a server once for each answer, and let each lead to the next one."""
    left = list(answers)

    def answer(request: Request) -> Step:
        number = request.path.removeprefix("/")
        return left[int(number)] if number.isdigit() and int(number) < len(left) else response(status="404 Lost")

    async with serving(by_path(answer)) as port:
        return await _outcomes_of([f"http://127.0.0.1:{port}/{number}" for number in range(len(left))], **changes)


async def _outcomes_of(addresses: Sequence[str], **changes: Any) -> list[Outcome]:
    """Check addresses at the same time; the outcomes come as the checks end."""
    outcomes = []

    async def check(address: str) -> None:
        target = a_target(address=address, timeout_seconds=TIMEOUT_SECONDS, **changes)
        outcomes.append(await checked(target, context))

    async with (
        open_check_context(BATCH, resolver=Resolver(lookup=local_lookup)) as context,
        trio.open_nursery() as nursery,
    ):
        for address in addresses:
            nursery.start_soon(check, address)
    return outcomes


def _expect_blame_of_sites(outcomes: Sequence[Outcome], what: object) -> None:
    for outcome in outcomes:
        if outcome.fault is not None:
            assert outcome.fault.reason is not Reason.INTERNAL, f"{outcome.fault.detail}: {what!r}"
            assert outcome.fault.detail


@FUZZING
@given(st.lists(RESPONSES, min_size=1, max_size=BATCH))
def test_no_response_is_the_monitors_fault(responses: list[bytes]) -> None:
    _expect_blame_of_sites(trio.run(_outcomes, responses), responses)


@FUZZING
@given(st.lists(HEADERS, min_size=1, max_size=BATCH), st.binary(max_size=100))
def test_no_header_is_the_monitors_fault(headers: list[list[tuple[str, str]]], body: bytes) -> None:
    looked_for = Expectations(
        body_matches=(re2.compile(b"a"),),
        headers_match=(HeaderPattern("Content-Type", re2.compile(b"html")),),
        headers_lack=(HeaderPattern("Set-Cookie", re2.compile(b"^b")),),
    )
    answers = [response(body, headers="".join(f"{name}: {value}\r\n" for name, value in some)) for some in headers]

    async def outcomes() -> list[Outcome]:
        return await _outcomes(answers, expected=looked_for)

    _expect_blame_of_sites(trio.run(outcomes), headers)


@FUZZING
@given(st.lists(LOCATIONS, min_size=1, max_size=BATCH), st.booleans())
def test_no_redirect_is_the_monitors_fault(locations: list[str], as_utf8: bool) -> None:
    answers = [
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
        + location.encode("utf-8" if as_utf8 else "latin-1", "replace").replace(b"\n", b"")
        + b"\r\n\r\n"
        for location in locations
    ]
    _expect_blame_of_sites(trio.run(_outcomes, answers), locations)


@FUZZING
@given(st.lists(ADDRESSES, min_size=1, max_size=BATCH))
def test_no_address_of_a_target_is_the_monitors_fault(addresses: list[str]) -> None:
    good = [address for address in addresses if complaint_about(address) is None]
    assume(good)

    _expect_blame_of_sites(trio.run(_outcomes_of, good), good)
