"""Whatever is secret or hostile: a line is one line, has no secret, and has everything else."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.doubles import a_failure, a_target, an_outcome
from watcher import log
from watcher.checking.verdict.excerpt import masked_fault
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.target import Connecting, Sending, Target, basic_authorization
from watcher.recording.lines import Lines
from watcher.text.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

# Both ends are marked, so that a part of a secret is found as well.
pytestmark = pytest.mark.slow

MARK = "Zq7x"
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

telling = st.sampled_from("\"'\\ %&+<>/?#:;,={}[]()|~`^äßж漢😀\u00a0\u00ad")
printable = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"))
secrets = st.text(st.one_of(telling, printable), max_size=20).map(lambda text: f"{MARK}{text}{MARK}")
hostile = st.text(
    st.one_of(
        st.sampled_from('\n\r\x1b\x00\x07\x7f\x85\x9b\u2028\u2029\u202e\u2066\ufeff\ud800\udfff"\\= {}'),
        st.characters(codec=None),
    ),
    max_size=30,
).filter(lambda text: MARK not in text)
formats = pytest.mark.parametrize("log_format", ["text", "json"])


@pytest.fixture(autouse=True)
def _text_again() -> Iterator[None]:
    yield
    log.configure()


@contextmanager
def told(log_format: str) -> Iterator[list[str]]:
    """Collect the lines of a block."""
    log.configure(log_format)
    lines: list[str] = []
    with log.lines_through(lines.append):
        yield lines


def assert_safe(line: str, log_format: str) -> None:
    """Assert that it is one line without a secret."""
    assert UNSAFE.search(line) is None
    assert len(line.splitlines()) == 1
    assert MARK not in line
    line.encode("utf-8")
    if log_format == "json":
        assert line.isascii()
        assert isinstance(json.loads(line), dict)


def encodable(text: str) -> str:
    """Return a text as JSON has it: lone surrogates are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def targets_with(secret: str) -> list[Target]:
    """Put a secret into every place of a target that may have one."""
    safe = quote(secret, safe="")
    return [
        a_target(address=f"https://someone:{safe}@a.example/", sending=Sending()),
        a_target(address=f"https://{safe}@a.example/"),
        a_target(address=f"https://a.example/?page=1&token={safe}"),
        a_target(address=f"https://a.example/?{safe}"),
        a_target(sending=Sending(authorization=f"Bearer {secret}")),
        a_target(sending=Sending(authorization=basic_authorization("someone", secret))),
        a_target(sending=Sending(headers=(("X-Api-Key", secret), ("Accept", "text/html")))),
        # A cookie has neither of these (RFC 6265, section 4.1.1).
        *([] if set(';"') & set(secret) else [a_target(sending=Sending(headers=(("Cookie", f"a=b; s={secret}"),)))]),
        a_target(connecting=Connecting(proxy_url=f"socks5://someone:{safe}@proxy:1080")),
    ]


def written(secret: str) -> list[str]:
    """Write a secret in the ways of exceptions and libraries."""
    safe = quote(secret, safe="")
    return [
        secret,
        repr(secret),
        json.dumps(secret),
        safe,
        quote(secret),
        f"https://someone:{safe}@a.example/x?token={safe}#{safe}",
        f"Basic {b64encode(f'someone:{secret}'.encode()).decode()}",
    ]


WAYS = len(written(MARK))


@formats
@given(secret=secrets, noise=hostile, way=st.integers(0, WAYS - 1))
@example(secret=f"{MARK}'\"{MARK}", noise="\n", way=0)
@example(secret=f"{MARK}'\"{MARK}", noise="\n", way=1)
def test_no_line_has_a_secret_of_the_configuration(log_format: str, secret: str, noise: str, way: int) -> None:
    log.mask([secret], targets_with(secret))
    basic = b64encode(f"someone:{secret}".encode()).decode()
    text = written(secret)[way]
    with told(log_format) as lines:
        structlog.get_logger().error("failed", error=ValueError(f"{noise} {text} {noise}"))
        structlog.get_logger().error("failed", message=text, failed=[text, {"a": KeyError(secret)}])
        logging.getLogger("asyncpg").warning("cannot %s", noise + text)
        try:
            int(f"{noise}{secret}")
        except ValueError as error:
            group = ExceptionGroup(f"{noise}{text}", [error, KeyError(secret)])
            structlog.get_logger().error("check failed", exc_info=group)
            structlog.get_logger().exception("check failed", target=targets_with(secret))
    assert len(lines) == 5
    for line in lines:
        assert_safe(line, log_format)
        assert basic not in line


@formats
@given(secret=secrets, noise=hostile)
def test_addresses_show_no_secret_even_if_it_is_not_configured(log_format: str, secret: str, noise: str) -> None:
    safe = quote(secret, safe="")
    address = f"https://someone:{safe}@a.example/x?token={safe}&{safe}#{safe}"
    with told(log_format) as lines:
        structlog.get_logger().info(f"asked {address}", name=f"({address})", all=[address, {"at": address}])
        structlog.get_logger().info("long", name="a " * 3980 + address, error="a" * 7990 + address)
        logging.getLogger("urllib").error(f"{noise} {address}")
    assert len(lines) == 3
    for line in lines:
        assert_safe(line, log_format)


@formats
@given(
    name=hostile,
    address=hostile,
    detail=hostile,
    secret=secrets,
    milliseconds=st.floats(0, 1e9),
    status=st.none() | st.integers(100, 599),
)
def test_lines_of_checks_are_one_line_with_the_result(
    log_format: str, name: str, address: str, detail: str, secret: str, milliseconds: float, status: int | None
) -> None:
    lines, shown = Lines(log_format), without_secrets(address)
    for target in targets_with(secret):
        fault = masked_fault(Fault(Reason.STATUS, f"{detail}{secret} {quote(secret)}"), target)
        failure = a_failure(name, address=shown, fault=fault)
        line = lines.failure(failure, stored=False)
        assert_safe(line, log_format)
        if log_format == "json":
            found = json.loads(line)
            assert found["detail"] == fault.detail
            assert (found["reason"], found["check_id"]) == ("status", str(failure.check_id))
            assert found["stored"] is False
    phases = Phases(connect=milliseconds / 1000)
    success = an_outcome(name, address=shown, duration_seconds=milliseconds / 1000, status_code=status, phases=phases)
    line = lines.success(success)
    assert_safe(line, log_format)
    if log_format == "json":
        found = json.loads(line)
        assert (found["target"], found["url"]) == (encodable(name), encodable(shown))
        assert found["duration_ms"] == found["connect_ms"] == pytest.approx(milliseconds, abs=0.051)
        assert found.get("status") == status


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile | st.binary() | st.datetimes() | st.uuids(),
    lambda inner: st.lists(inner) | st.dictionaries(hostile, inner) | st.tuples(inner) | st.sets(st.integers()),
    max_leaves=10,
)


@formats
@given(event=anything, fields=st.dictionaries(hostile, anything, max_size=5))
def test_an_event_of_anything_is_one_line(log_format: str, event: Any, fields: dict[str, Any]) -> None:
    with told(log_format) as lines:
        structlog.get_logger().info(event, **fields)
    [line] = lines
    assert_safe(line, log_format)


@given(event=hostile, value=hostile, number=st.integers(-(2**62), 2**62))
def test_json_holds_the_very_values(event: str, value: str, number: int) -> None:
    assume("://" not in event)  # anything like an address is masked
    assume("://" not in value)
    with told("json") as lines:
        structlog.get_logger().info(event, name=value, number=number, flag=True, nothing=None)
    found = json.loads(lines[0])
    expected = {"level": "info", "event": event, "name": value, "number": number, "flag": True}
    assert {**found, "time": ""} == {"time": "", **{key: _shown(value) for key, value in expected.items()}}
    assert list(found)[:3] == ["time", "level", "event"]


def _shown(value: object) -> object:
    if not isinstance(value, str):
        return value
    return encodable(value)
