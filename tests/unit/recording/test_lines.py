"""The lines that users, scripts and dashboards know."""

from tests.doubles import a_failure, an_outcome
from watcher.model.outcome import Fault, Phases, Reason
from watcher.recording.lines import failure_line, success_line


def test_a_success_is_the_line_of_the_contract() -> None:
    assert success_line(an_outcome()) == (
        '2026-11-23T15:20:55.857Z success target="Checkout" url=https://shop.example/health status=200'
        " duration_ms=143.2 resolve_ms=3.1 connect_ms=12.0 tls_ms=40.2 processing_ms=80.1 transfer_ms=7.8 bytes=1256"
    )


def test_phases_that_did_not_happen_are_left_out() -> None:
    line = success_line(an_outcome(phases=Phases(connect=0.001)))
    assert line.endswith(" status=200 duration_ms=143.2 connect_ms=1.0 bytes=1256")


def test_a_failure_is_the_line_of_the_contract() -> None:
    failure = a_failure()
    assert failure_line(failure, stored=True) == (
        '2026-11-23T15:20:55.857Z failure target="Checkout" url=https://shop.example/health reason=status'
        f' detail="503 Service Unavailable" check_id={failure.check_id}'
    )


def test_a_failure_that_was_given_up_says_so() -> None:
    assert failure_line(a_failure(), stored=False).endswith(" stored=no")


def test_nothing_from_a_site_breaks_the_line() -> None:
    fault = Fault(Reason.STATUS, 'x"\r\nfailure target="forged"\x1b[2J\u2028')
    line = failure_line(a_failure(fault=fault), stored=True)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert r'detail="x\"\\r\\nfailure target=\"forged\"\\x1b[2J\\u2028"' in line
