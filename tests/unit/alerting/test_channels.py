"""The pure parts of channels: retries and the compilation of templates."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.alerting.channels.answers import retry_after_seconds
from watcher.alerting.channels.deliver import short_text
from watcher.alerting.channels.templates import complaint_about_template
from watcher.alerting.channels.trial import trial_notification
from watcher.alerting.policy.line import Line
from watcher.alerting.policy.payload import payload_of
from watcher.alerting.policy.view import View
from watcher.model.alerts.notification import Kind
from watcher.model.state import State

NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0),
        (" 17 ", 17),
        ("9" * 500, 3600),
        ("Wed, 25 Nov 2026 18:02:00 GMT", 120),
        ("Wed, 25 Nov 2026 18:02:00 -0000", 120),
        ("Wed, 25 Nov 2026 20:02:00 +0200", 120),
        ("Wed, 25 Nov 2026 17:00:00 GMT", 0),
        ("Wed, 25 Nov 2099 17:00:00 GMT", 3600),
        ("Wed, 99 Nov 2026 17:00:00 GMT", None),
        ("Wed, 25 Nov 99999999999999999999 17:00:00 GMT", None),
        ("Wed, 25 Nov 2026 17:00:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW, 3600.0) == seconds


@given(st.text(max_size=40))
def test_no_header_can_break_it(value: str) -> None:
    seconds = retry_after_seconds(value, NOW, 3600.0)
    assert seconds is None or 0 <= seconds <= 3600


def test_the_message_of_a_test_has_all_keys_of_another() -> None:
    """A template that works for one message works for another."""
    view = View({}, state_of=lambda _: None, checked_at=lambda _: None)
    line = Line(Kind.DOWN, "Checkout", "default", State.DOWN, State.UP)
    real = payload_of(uuid.UUID(int=0), "ops", Kind.DOWN, NOW, [line], view)
    trial = trial_notification("ops", NOW).payload
    assert list(trial) == list(real)
    assert list(trial["targets"][0]) == list(real["targets"][0])


@pytest.mark.parametrize(("count", "last"), [(1, None), (10, None), (11, "and 1 more"), (80, "and 70 more")])
def test_a_chat_gets_ten_lines_of_a_list(count: int, last: str | None) -> None:
    """Whatever the text says about the other sites, and with the lines below the list."""
    view = View({}, state_of=lambda _: None, checked_at=lambda _: None, page_url="https://status.example")
    lines = [Line(Kind.DOWN, f"Site {index}", "default", State.DOWN, State.UP) for index in range(count)]
    payload = payload_of(uuid.UUID(int=0), "ops", Kind.DOWN, NOW, lines, view)
    if last is None:
        assert short_text(payload) == payload["text"]
    else:
        told = short_text(payload).split("\n")
        assert told == [*payload["text"].split("\n")[:10], last, "https://status.example/"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ title }}", None),
        ("{{ 7 ** (10 ** 9) }}", None),
        ("", None),
        ("one\n{{ title }", (2, "unexpected '}'")),
        (
            "{% for t in targets %}",
            (1, "Unexpected end of template. Jinja was looking for the following tags: 'endfor'"),
        ),
        ("a\n\n{{ title | nonsense }}", (3, "No filter named 'nonsense'.")),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", (1, "is nested too deeply")),
        ("{% for a in b %}" * 30 + "{% endfor %}" * 30, (1, "is nested too deeply")),
        ("{{ 1" + "0" * 5000 + " }}", (1, "Exceeds the limit")),
    ],
)
def test_a_template_that_does_not_compile_is_reported_with_its_line(
    text: str, complaint: tuple[int, str] | None
) -> None:
    """Nothing of it is rendered, not even constants."""
    found = complaint_about_template(text)
    if complaint is None or found is None:
        assert found == complaint
    else:
        assert found[0] == complaint[0]
        assert found[1].startswith(complaint[1])
