"""What an exchange means."""

import pytest
import re2

from tests.doubles import a_target
from watcher.checking.fetch import Exchange
from watcher.checking.verdict import judge, matching_steps
from watcher.model.outcome import Fault, Phases, Reason


def a_response(
    status_code: int = 200, body: bytes = b"", *, reason_phrase: str = "", charset: str | None = None
) -> Exchange:
    return Exchange(phases=Phases(), status_code=status_code, body=body, reason_phrase=reason_phrase, charset=charset)


def test_statuses_from_200_to_299_are_good() -> None:
    good = [status for status in range(100, 600) if judge(a_target(), a_response(status)) is None]
    assert good == list(range(200, 300))


def test_a_bad_status_is_named_with_its_phrase() -> None:
    fault = judge(a_target(), a_response(503, reason_phrase="Service Unavailable"))
    assert fault == Fault(Reason.STATUS, "503 Service Unavailable")


def test_a_fault_of_the_exchange_comes_first() -> None:
    fault = Fault(Reason.TIMEOUT, "no answer within 2 s")
    assert judge(a_target(regex=re2.compile(b"x")), Exchange(phases=Phases(), fault=fault)) is fault


def test_the_status_comes_before_the_regex() -> None:
    fault = judge(a_target(regex=re2.compile(b"never")), a_response(500))
    assert fault is not None
    assert fault.reason == Reason.STATUS


def test_a_body_that_does_not_match_fails_with_the_pattern() -> None:
    target = a_target(regex=re2.compile(b'say "ok"'))
    assert judge(target, a_response(body=b'we say "ok" here')) is None
    assert judge(target, a_response(body=b"sorry")) == Fault(Reason.REGEX, 'the body does not match "say \\"ok\\""')


def test_matching_is_on_the_decoded_text() -> None:
    target = a_target(regex=re2.compile("Grüße".encode()))
    assert judge(target, a_response(body="Grüße".encode())) is None
    assert judge(target, a_response(body="Grüße".encode("latin-1"), charset="latin-1")) is None
    assert judge(target, a_response(body="Grüße".encode("utf-16"), charset="utf-16")) is None
    assert judge(target, a_response(body="Grüße".encode("latin-1"))) is not None


@pytest.mark.parametrize(
    "charset",
    [
        "hex",
        "base64",
        "rot13",
        "no-such",
        "a\x00b",
        "x" * 1000,
        "idna",
        "punycode",
        "utf-7",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
    ],
)
def test_a_charset_that_no_page_has_is_taken_for_utf_8(charset: str) -> None:
    target = a_target(regex=re2.compile(b"ok$"))
    assert judge(target, a_response(body=b"\xff it is ok", charset=charset)) is None


def test_the_bound_on_matching_grows_with_body_and_program() -> None:
    small, large = a_target(regex=re2.compile(b"ok")), a_target(regex=re2.compile(b"a{500}"))
    response = a_response(body=b"x" * 1000)
    assert matching_steps(a_target(), response) == 0
    assert 1000 < matching_steps(small, response) < 100_000 < matching_steps(large, response)
