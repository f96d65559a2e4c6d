"""How a check is shown to people."""

from __future__ import annotations

import io
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.doubles import MOMENT, a_failure, an_outcome
from watcher.checking.check import CheckReport
from watcher.checking.http.exchange import Certificate, Chain, Exchange, Hop
from watcher.cli.views.waterfall import line, totals, waterfall
from watcher.model.outcome import Fault, Outcome, Phases, Reason

if TYPE_CHECKING:
    from rich.console import RenderableType

ADDRESS = "https://shop.example/health"
PHASES = Phases(resolve=0.0031, connect=0.012, tls=0.0402, processing=0.0801, transfer=0.0078)
HOSTILE = "\x1b[31mred\x1b[0m [bold]markup[/bold] [link=http://evil]\r\n\u202etxt\ud800"


def printed(part: RenderableType, width: int = 100, *, colours: bool = False, encoding: str = "utf-8") -> str:
    """Print as on a terminal of this width."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    console = Console(
        file=file, width=width, force_terminal=colours, color_system="256" if colours else None, highlight=False
    )
    console.print(part)
    file.flush()
    return raw.getvalue().decode(encoding)


def lines_of(report: CheckReport, width: int = 100) -> list[str]:
    return [text.rstrip() for text in printed(waterfall(report), width).splitlines()]


def a_report(outcome: Outcome | None = None, **changes: Any) -> CheckReport:
    exchange = {
        "phases": PHASES,
        "status_code": 200,
        "reason_phrase": "OK",
        "http_version": "1.1",
        "ip": "203.0.113.7",
        **changes,
    }
    return CheckReport(outcome or an_outcome(), Exchange(**exchange))


def test_notes_stand_below_the_verdict() -> None:
    shown = lines_of(a_report(an_outcome(notes=("the response has its Content-Length twice", HOSTILE))))
    verdict = next(place for place, text in enumerate(shown) if "succeeds in" in text)
    assert shown[verdict + 1] == "  note: the response has its Content-Length twice"
    assert shown[verdict + 2].startswith("  note: \\x1b[31mred")


def a_chain(*days: float) -> Chain:
    moments = [MOMENT + timedelta(days=day) for day in days]
    subjects = ["CN=shop.example", *(f"CN=CA {number}" for number in range(1, len(days)))]
    return Chain(
        tuple(
            Certificate(subject, "CN=CA 1", ("shop.example", "*.shop.example"), MOMENT - timedelta(days=1), moment)
            for subject, moment in zip(subjects, moments, strict=True)
        ),
        min(moments),
    )


def bar_of(text: str) -> tuple[int, int]:
    """Return the columns where a bar starts and ends."""
    return text.index("━"), text.rindex("━") + 1


def test_a_success_is_shown_with_its_phases_one_after_the_other() -> None:
    title, response, *bars, verdict, end = lines_of(a_report())
    assert title == "Checkout  https://shop.example/health"
    assert response == "  200 OK https://shop.example/health HTTP/1.1 from 203.0.113.7, 1256 bytes"
    assert [bar.split()[0] for bar in bars] == ["resolve", "connect", "tls", "processing", "transfer"]
    assert [bar.split("━")[-1].strip() for bar in bars] == ["3.1 ms", "12.0 ms", "40.2 ms", "80.1 ms", "7.8 ms"]
    columns = [bar_of(bar) for bar in bars]
    for (begin, finish), (begin_after, finish_after) in pairwise(columns):
        assert begin < begin_after
        assert finish - 1 <= begin_after <= finish
        assert finish <= finish_after
    lengths = [finish - begin for begin, finish in columns]
    assert lengths[3] == max(lengths)
    assert lengths[3] == pytest.approx(2 * lengths[2], abs=2)
    assert (verdict, end) == ("  succeeds in 143.2 ms", "")


def test_a_target_that_is_called_by_its_address_is_not_named_twice() -> None:
    assert lines_of(a_report(an_outcome(ADDRESS)))[0] == ADDRESS


def test_each_redirect_has_its_own_phases_and_the_last_response_has_the_rest() -> None:
    hop = Hop("http://shop.example/", ADDRESS, 301, "1.1", "203.0.113.9", Phases(connect=0.1, processing=0.2))
    phases = Phases(connect=0.15, tls=0.1, processing=0.2 + 1e-13, transfer=0.3)
    outcome = an_outcome(address="http://shop.example/", phases=phases)
    lines = lines_of(a_report(outcome, hops=(hop,), phases=phases))
    assert lines[1] == "  301 http://shop.example/ HTTP/1.1 from 203.0.113.9"
    assert [text.split()[0] for text in lines[2:4]] == ["connect", "processing"]
    assert lines[4] == "  200 OK https://shop.example/health HTTP/1.1 from 203.0.113.7, 1256 bytes"
    assert [(text.split()[0], text.split("━")[-1].strip()) for text in lines[5:8]] == [
        ("connect", "50.0 ms"),
        ("tls", "100.0 ms"),
        ("transfer", "300.0 ms"),
    ]
    assert bar_of(lines[3])[1] <= bar_of(lines[5])[0] + 1


def test_a_failure_before_any_response_is_shown_with_what_happened() -> None:
    fault = Fault(Reason.CONNECT, "cannot connect: Connection refused")
    outcome = a_failure(fault=fault, status_code=None, body_bytes=None)
    report = CheckReport(outcome, Exchange(phases=Phases(resolve=0.003, connect=0.001), fault=fault))
    _, response, resolve, connect, verdict, _ = lines_of(report)
    assert response == "  no response https://shop.example/health"
    assert resolve.strip().startswith("resolve")
    assert connect.strip().startswith("connect")
    assert verdict == "  fails in 143.2 ms: connect: cannot connect: Connection refused"


def test_nothing_at_all_can_be_shown_too() -> None:
    fault = Fault(Reason.INTERNAL, "KeyError inside watcher; its log has more")
    lines = lines_of(CheckReport(a_failure(fault=fault, body_bytes=None), Exchange(phases=Phases(), fault=fault)))
    assert "internal: KeyError inside watcher" in lines[-2]


def test_certificates_are_shown_with_their_expiry() -> None:
    lines = [text.strip() for text in lines_of(a_report(chain=a_chain(80.2, 20.5)))]
    begin = lines.index("certificate CN=shop.example")
    assert lines[begin : begin + 9] == [
        "certificate CN=shop.example",
        "for shop.example, *.shop.example",
        "issued by CN=CA 1",
        "expires in 80.1 days, on 2027-02-11",
        "then CN=CA 1",
        "for shop.example, *.shop.example",
        "issued by CN=CA 1",
        "expires in 20.4 days, on 2026-12-14",
        "the earliest of the chain expires in 20.4 days, on 2026-12-14",
    ]


def test_a_certificate_that_is_not_in_its_time_says_so() -> None:
    past = "\n".join(lines_of(a_report(chain=a_chain(-3))))
    assert "expired 3.0 days ago, on 2026-11-20" in past
    assert "the earliest" not in past
    future = Certificate("CN=x", "CN=y", (), MOMENT + timedelta(days=2), MOMENT + timedelta(days=9))
    shown = "\n".join(lines_of(a_report(chain=Chain((future,), future.expires_at))))
    assert "not valid before 2026-11-25" in shown
    assert "for " not in shown


def test_of_many_names_some_are_shown() -> None:
    names = tuple(f"{number}.example" for number in range(100))
    certificate = Certificate("CN=x", "CN=y", names, MOMENT, MOMENT + timedelta(days=9))
    shown = "\n".join(lines_of(a_report(chain=Chain((certificate,), certificate.expires_at)), width=200))
    assert "7.example and 92 more" in shown
    assert "8.example" not in shown


def test_a_degraded_success_and_a_success_at_the_second_attempt_say_so() -> None:
    verdict = lines_of(a_report(an_outcome(degraded="took 1734 ms, more than 1500 ms", attempts=2)))[-2]
    assert verdict == "  succeeds in 143.2 ms, at attempt 2, degraded: took 1734 ms, more than 1500 ms"


def a_hostile_report() -> CheckReport:
    chain = Chain((Certificate(HOSTILE, HOSTILE, (HOSTILE,), MOMENT, MOMENT),), MOMENT)
    hop = Hop(HOSTILE, HOSTILE, 301, HOSTILE, HOSTILE, Phases(connect=0.1))
    outcome = an_outcome(HOSTILE, address=HOSTILE, fault=Fault(Reason.STATUS, HOSTILE), degraded=HOSTILE)
    return a_report(
        outcome, chain=chain, hops=(hop,), reason_phrase=HOSTILE, http_version=HOSTILE, ip=HOSTILE, phases=PHASES
    )


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_text_of_a_site_is_neither_markup_nor_does_it_drive_the_terminal(encoding: str) -> None:
    report = a_hostile_report()
    for part in (waterfall(report), line(report.outcome)):
        shown = printed(part, 2000, encoding=encoding)
        assert "[bold]markup[/bold] [link=http://evil]\\r\\n\\u202etxt\\ud800" in shown
        assert all(text.isprintable() for text in shown.split("\n"))


def test_colours_are_put_by_us_alone() -> None:
    plain, coloured = printed(waterfall(a_report())), printed(waterfall(a_report()), colours=True)
    assert "\x1b" not in plain
    assert "\x1b" in coloured
    assert "\x1b[31mred" not in printed(waterfall(a_hostile_report()), colours=True)


@pytest.mark.parametrize("width", [20, 36, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for report in (a_report(chain=a_chain(80, 20)), a_hostile_report()):
        assert max(map(len, lines_of(report, width))) <= width


def test_a_narrow_terminal_still_shows_bars_and_times() -> None:
    shown = printed(waterfall(a_report()), 40)
    assert shown.count("━") >= 5
    assert "80.1 ms" in shown


def test_without_unicode_a_bar_is_of_hashes() -> None:
    shown = printed(waterfall(a_report()), encoding="ascii")
    assert "#" in shown


SECONDS = st.none() | st.floats(min_value=0, max_value=1e5)


@given(st.builds(Phases, SECONDS, SECONDS, SECONDS, SECONDS, SECONDS), st.integers(1, 300))
def test_any_phases_can_be_shown_at_any_width(phases: Phases, width: int) -> None:
    shown = lines_of(a_report(phases=phases), width)
    assert max(map(len, shown)) <= width


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (an_outcome(), "ok           143.2 ms  Checkout"),
        (an_outcome(degraded="took long"), "ok           143.2 ms  Checkout  degraded: took long"),
        (a_failure(), "status       143.2 ms  Checkout  503 Service Unavailable"),
        (a_failure(fault=Fault(Reason.TOO_LARGE, "x")), "too_large    143.2 ms  Checkout  x"),
        (a_failure(duration_seconds=123456.789), "status    123456789.0 ms  Checkout  503 Service Unavailable"),
    ],
)
def test_a_check_fits_in_one_line(outcome: Outcome, text: str) -> None:
    assert printed(line(outcome)) == text + "\n"


def test_totals_count_successes_and_failures() -> None:
    assert printed(totals([an_outcome(), an_outcome(), a_failure()])) == "2 succeed, 1 fail\n"
    assert printed(totals([an_outcome(), an_outcome(degraded="slow")])) == "2 succeed (1 degraded), 0 fail\n"
