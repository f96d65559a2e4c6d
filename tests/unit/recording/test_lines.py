"""The lines that users, scripts and dashboards rely on."""

import json

import pytest

from tests.doubles import a_failure, an_outcome
from watcher.model.outcome import Fault, Outcome, Phases, Reason
from watcher.model.state import State
from watcher.recording.lines import (
    Lines,
    change_json,
    change_line,
    failure_json,
    failure_line,
    success_json,
    success_line,
)


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


def test_a_success_in_json_has_the_names_and_numbers_of_the_text() -> None:
    assert success_json(an_outcome()) == (
        '{"time": "2026-11-23T15:20:55.857Z", "event": "success", "target": "Checkout", '
        '"url": "https://shop.example/health", "status": 200, "duration_ms": 143.2, "resolve_ms": 3.1, '
        '"connect_ms": 12.0, "tls_ms": 40.2, "processing_ms": 80.1, "transfer_ms": 7.8, "bytes": 1256}'
    )
    assert list(json.loads(success_json(an_outcome(phases=Phases(connect=0.001))))) == [
        "time", "event", "target", "url", "status", "duration_ms", "connect_ms", "bytes",
    ]  # fmt: skip


def test_a_failure_in_json() -> None:
    failure = a_failure()
    stored = (
        '{"time": "2026-11-23T15:20:55.857Z", "event": "failure", "target": "Checkout", '
        '"url": "https://shop.example/health", "reason": "status", "detail": "503 Service Unavailable", '
        f'"check_id": "{failure.check_id}"'
    )
    assert failure_json(failure, stored=True) == stored + "}"
    assert failure_json(failure, stored=False) == stored + ', "stored": false}'


@pytest.mark.parametrize(
    ("state", "outcome", "text", "parts"),
    [
        (State.UP, an_outcome(), "", {}),
        (
            State.DOWN,
            a_failure(),
            ' reason=status detail="503 Service Unavailable"',
            {"reason": "status", "detail": "503 Service Unavailable"},
        ),
        (State.DEGRADED, an_outcome(degraded='took "2"\ns'), r' detail="took \"2\"\\ns"', {"detail": r'took "2"\ns'}),
    ],
)
def test_a_change_of_state(state: State, outcome: Outcome, text: str, parts: dict[str, str]) -> None:
    head = f'2026-11-23T15:20:55.857Z {state} target="Checkout" url=https://shop.example/health'
    assert change_line(outcome, state) == head + text
    assert json.loads(change_json(outcome, state)) == {
        "time": "2026-11-23T15:20:55.857Z",
        "event": str(state),
        "target": "Checkout",
        "url": "https://shop.example/health",
        **parts,
    }


def test_json_is_plain_ascii_and_has_no_half_characters() -> None:
    line = success_json(an_outcome('Grüße 😀\x7f\x9b\u2028\u202e\ud800"\n'))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["target"] == 'Grüße 😀\x7f\x9b\u2028\u202e\\ud800"\n'


def test_nothing_from_a_configuration_breaks_the_line() -> None:
    assert success_line(an_outcome('a"\n\x1b')).split(" url=")[0].endswith(r'target="a\"\\n\\x1b"')


def test_the_format_can_change() -> None:
    lines, failure = Lines(), a_failure()
    assert (lines.success(an_outcome()), lines.failure(failure, stored=True)) == (
        success_line(an_outcome()),
        failure_line(failure, stored=True),
    )
    lines.use("json")
    assert (lines.success(an_outcome()), lines.failure(failure, stored=False)) == (
        success_json(an_outcome()),
        failure_json(failure, stored=False),
    )
