"""The verdict about an exchange."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jmespath
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.http.exchange import Certificate, Chain, Exchange, Hop
from watcher.checking.verdict.judge import Verdict, judge, matching_steps
from watcher.model.outcome import Fault, Phases, Reason
from watcher.model.target import Expectations, HeaderPattern, JsonExpectation

NOW = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
MILLION = 1_000_000


def a_response(status_code: int = 200, body: bytes = b"", **changes: Any) -> Exchange:
    return Exchange(phases=Phases(), status_code=status_code, body=body, **changes)


def with_chain(expires_at: datetime) -> Exchange:
    certificate = Certificate("CN=shop.example", "CN=ca", ("shop.example",), NOW, expires_at)
    return a_response(chain=Chain((certificate,), expires_at))


def regexes(*patterns: str) -> tuple[Any, ...]:
    return tuple(re2.compile(pattern.encode()) for pattern in patterns)


def a_header(header: str, regexp: str, *, allow_missing: bool = False) -> HeaderPattern:
    return HeaderPattern(header, re2.compile(regexp.encode()), allow_missing)


def json_at(path: str, equals: Any) -> JsonExpectation:
    return JsonExpectation(path, jmespath.compile(path), equals)


def fault_of(expected: Expectations, exchange: Exchange) -> Fault | None:
    return judge(expected, exchange, 0.1, NOW).fault


def test_statuses_from_200_to_299_are_good() -> None:
    good = [status for status in range(100, 600) if fault_of(Expectations(), a_response(status)) is None]
    assert good == list(range(200, 300))


def test_the_expected_statuses_can_be_configured() -> None:
    expected = Expectations(status_codes=((200, 200), (300, 399), (503, 503)))
    good = [status for status in range(100, 600) if fault_of(expected, a_response(status)) is None]
    assert good == [200, *range(300, 400), 503]


def test_a_bad_status_is_named_with_its_phrase() -> None:
    fault = fault_of(Expectations(), a_response(503, reason_phrase="Service Unavailable"))
    assert fault == Fault(Reason.STATUS, "503 Service Unavailable")


def test_an_unexpected_status_is_named_with_the_expected_ones() -> None:
    expected = Expectations(status_codes=((201, 201), (300, 399)))
    assert fault_of(expected, a_response(reason_phrase="OK")) == Fault(Reason.STATUS, "200 OK, not 201 or 300-399")
    assert fault_of(expected, a_response(500)) == Fault(Reason.STATUS, "500")


def test_a_fault_of_the_exchange_comes_first() -> None:
    fault = Fault(Reason.TIMEOUT, "no answer within 2 s")
    expected = Expectations(body_matches=regexes("x"), degraded_after_seconds=0.01)
    assert fault_of(expected, Exchange(phases=Phases(), fault=fault)) is fault


def test_the_reasons_have_their_order() -> None:
    expected = Expectations(
        headers_match=(a_header("x", "never"),), body_matches=regexes("never"), json=(json_at("a", 1),)
    )
    with_header: dict[str, Any] = {"headers": ((b"x", b"never"),)}
    answers = [a_response(500), a_response(), a_response(**with_header), a_response(200, b"never", **with_header)]
    faults = [fault_of(expected, answer) for answer in answers]
    assert [fault and fault.reason for fault in faults] == [Reason.STATUS, Reason.HEADER, Reason.REGEX, Reason.JSON]
    assert fault_of(expected, a_response(200, b'{"a": 1, "b": "never"}', **with_header)) is None


def test_a_body_that_does_not_match_fails_with_the_pattern() -> None:
    expected = Expectations(body_matches=regexes('say "ok"'))
    assert fault_of(expected, a_response(body=b'we say "ok" here')) is None
    assert fault_of(expected, a_response(body=b"sorry")) == Fault(
        Reason.REGEX, 'the body does not match "say \\"ok\\""'
    )


def test_every_pattern_must_match_and_none_of_the_others_may() -> None:
    expected = Expectations(body_matches=regexes("one", "two"), body_lacks=regexes("bad", "error code [0-9]+"))
    assert fault_of(expected, a_response(body=b"two and one")) is None
    assert fault_of(expected, a_response(body=b"one")) == Fault(Reason.REGEX, 'the body does not match "two"')
    assert fault_of(expected, a_response(body=b"two")) == Fault(Reason.REGEX, 'the body does not match "one"')
    for body in (b"one two error code 5", b"error code 5"):
        assert fault_of(expected, a_response(body=body)) == Fault(Reason.REGEX, 'the body matches "error code [0-9]+"')


def test_matching_is_on_the_decoded_text() -> None:
    expected = Expectations(body_matches=regexes("Grüße"))
    assert fault_of(expected, a_response(body="Grüße".encode())) is None
    assert fault_of(expected, a_response(body="Grüße".encode("latin-1"), charset="latin-1")) is None
    assert fault_of(expected, a_response(body="Grüße".encode("utf-16"), charset="utf-16")) is None
    assert fault_of(expected, a_response(body="Grüße".encode("latin-1"))) is not None


STALE, FRESH = (b"x-cache", b"STALE"), (b"x-cache", b"HIT")
MATCHES, LACKS_IT = 'the header X-Cache matches "STALE"', 'the header X-Cache does not match "STALE"'
MISSING = "the header X-Cache is missing"


@pytest.mark.parametrize(
    ("headers", "lacking", "matching"),
    [
        ((STALE,), MATCHES, None),
        ((FRESH,), None, LACKS_IT),
        ((FRESH, STALE), MATCHES, None),
        ((STALE, FRESH), MATCHES, None),
        ((FRESH, FRESH), None, LACKS_IT),
        (((b"x-cache", b""),), None, LACKS_IT),
        (((b"x-cache-two", b"STALE"),), MISSING, MISSING),
        ((), MISSING, MISSING),
    ],
)
def test_headers_are_judged_as_blackbox_exporter_does(
    headers: tuple[tuple[bytes, bytes], ...], lacking: str | None, matching: str | None
) -> None:
    for allow_missing in (False, True):
        pattern = a_header("X-Cache", "STALE", allow_missing=allow_missing)
        judged = {
            Expectations(headers_lack=(pattern,)): lacking,
            Expectations(headers_match=(pattern,)): matching,
        }
        for expected, complaint in judged.items():
            good = complaint is None or (complaint == MISSING and allow_missing)
            fault = None if good else Fault(Reason.HEADER, str(complaint))
            assert fault_of(expected, a_response(headers=headers)) == fault


def test_each_header_pattern_is_looked_at() -> None:
    expected = Expectations(headers_match=(a_header("A", "1"), a_header("B", "2")))
    assert fault_of(expected, a_response(headers=((b"a", b"1"), (b"b", b"2")))) is None
    assert fault_of(expected, a_response(headers=((b"a", b"1"), (b"b", b"1")))) == Fault(
        Reason.HEADER, 'the header B does not match "2"'
    )


def test_json_is_judged_path_by_path() -> None:
    expected = Expectations(json=(json_at("status", "ok"), json_at("queue.length", 0)))
    assert fault_of(expected, a_response(body=b'\xef\xbb\xbf{"status": "ok", "queue": {"length": 0.0}}')) is None
    assert fault_of(expected, a_response(body=b'{"status": "ok", "queue": {"length": false}}')) == Fault(
        Reason.JSON, '"queue.length" of the body is false, not 0'
    )
    assert fault_of(expected, a_response(body=b"<html>")) == Fault(
        Reason.JSON, "the body is not JSON: Expecting value at line 1, column 1"
    )


@given(
    body=st.binary()
    | st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u \ud800').map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    path=st.sampled_from(
        ["@", "a.b", "[*].a", "[?a > `1`]", "sort(@)", "max_by(@, &a)", "join(',', @)", "to_number(@)"]
    ),
)
def test_no_body_makes_judging_raise(body: bytes, path: str) -> None:
    verdict = judge(Expectations(json=(json_at(path, "ok"),)), a_response(body=body), 0.1, NOW)
    assert verdict.fault is None or verdict.fault.reason == Reason.JSON


@pytest.mark.parametrize(
    ("duration_seconds", "degraded"),
    [
        (1.734, "took 1734 ms, more than 1500 ms"),
        (1.5004, "took 1501 ms, more than 1500 ms"),
        (2.2, "took 2200 ms, more than 1500 ms"),
        (1.5, None),
        (0.1, None),
    ],
)
def test_a_slow_success_is_degraded(duration_seconds: float, degraded: str | None) -> None:
    expected = Expectations(degraded_after_seconds=1.5)
    assert judge(expected, a_response(), duration_seconds, NOW) == Verdict(None, degraded)


@pytest.mark.parametrize(
    ("lasts", "degraded"),
    [
        (timedelta(days=3, hours=5), "a certificate of the chain expires in 3.2 days, on 2026-11-30"),
        (timedelta(days=13, hours=23, minutes=59), "a certificate of the chain expires in 13.9 days, on 2026-12-10"),
        (timedelta(0), "a certificate of the chain expires in 0.0 days, on 2026-11-26"),
        (timedelta(days=-2), "a certificate of the chain expired 2.0 days ago, on 2026-11-24"),
        (timedelta(days=14), None),
        (timedelta(days=900), None),
    ],
)
def test_a_success_whose_certificates_end_soon_is_degraded(lasts: timedelta, degraded: str | None) -> None:
    expected = Expectations(cert_expiry_days=14)
    assert judge(expected, with_chain(NOW + lasts), 0.1, NOW) == Verdict(None, degraded)


def test_of_all_redirects_the_certificate_that_ends_first_counts_and_its_host_is_named() -> None:
    first, last = with_chain(NOW + timedelta(days=3)).chain, with_chain(NOW + timedelta(days=80)).chain
    hop = Hop("https://shop.example/?a=***", "https://www.shop.example:8443/", 301, "1.1", None, Phases(), first)
    text = "a certificate of the chain of {} expires in 3.0 days, on 2026-11-29"
    for hops, chain, host in [
        ((hop,), last, "shop.example"),
        ((hop,), None, "shop.example"),
        ((replace(hop, chain=last),), first, "www.shop.example:8443"),
    ]:
        exchange = a_response()._replace(hops=hops, chain=chain)
        verdict = judge(Expectations(cert_expiry_days=14), exchange, 0.1, NOW)
        assert verdict == Verdict(None, text.format(host))
        end = exchange.first_certificate_end()
        assert end is not None
        assert (end.expires_at, end.begins_at) == (NOW + timedelta(days=3), NOW)


def test_without_certificates_none_can_end() -> None:
    assert judge(Expectations(cert_expiry_days=14), a_response(), 0.1, NOW) == Verdict(None, None)


def test_unconfigured_limits_degrade_nothing() -> None:
    assert judge(Expectations(), with_chain(NOW), 1000, NOW) == Verdict(None, None)


def test_both_reasons_to_be_degraded_are_reported() -> None:
    expected = Expectations(degraded_after_seconds=0.5, cert_expiry_days=1e300)
    assert judge(expected, with_chain(NOW + timedelta(days=1)), 1, NOW) == Verdict(
        None, "took 1000 ms, more than 500 ms; a certificate of the chain expires in 1.0 days, on 2026-11-27"
    )


def test_a_failure_is_not_degraded_as_well() -> None:
    expected = Expectations(degraded_after_seconds=0.5, cert_expiry_days=14)
    verdict = judge(expected, a_response(500), 1, NOW)
    assert verdict == Verdict(Fault(Reason.STATUS, "500"), None)


def test_the_bound_on_matching_grows_with_body_and_program() -> None:
    small, large = Expectations(body_matches=regexes("ok")), Expectations(body_matches=regexes("a{500}"))
    response = a_response(body=b"x" * 1000)
    assert matching_steps(Expectations(), response) == 0
    assert 1000 < matching_steps(small, response) < 100_000 < matching_steps(large, response)


def test_the_bound_counts_every_pattern_and_its_input() -> None:
    one, other = regexes("ok", "a{500}")
    response = a_response(body=b"x" * 1000, headers=((b"a", b"x" * 300), (b"b", b"x" * 700)))
    sizes = 1000 * (one.programsize + other.programsize)
    assert matching_steps(Expectations(body_matches=(one,), body_lacks=(other,)), response) == sizes
    headers = (HeaderPattern("a", one),), (HeaderPattern("b", other),)
    assert matching_steps(Expectations(headers_match=headers[0], headers_lack=headers[1]), response) == sizes
    transcoded = a_response(body=b"x" * 1000, charset="latin-1")
    assert matching_steps(Expectations(body_matches=(one,), body_lacks=(other,)), transcoded) == 3 * sizes


def test_a_large_json_body_is_more_than_a_million_steps_and_a_small_one_is_not() -> None:
    expected = Expectations(json=(json_at("a", 1),))
    assert matching_steps(expected, a_response(body=b" " * 64_000)) > MILLION
    assert matching_steps(expected, a_response(body=b" " * 4000)) < MILLION
    assert matching_steps(expected, Exchange(phases=Phases(), fault=Fault(Reason.TIMEOUT, "x"))) == 0
