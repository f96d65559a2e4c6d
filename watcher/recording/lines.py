"""Formats the log lines of checks, as text for people or JSON for machines.

A success is one line in monitor.log; a failure and a state change are one line each on stderr.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.model.outcome import Phases
from watcher.text.escaping import MAX_VALUE_CHARS, json_string, one_line, quoted, value_text
from watcher.text.timestamps import timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.model.outcome import Outcome
    from watcher.model.state import State


_TIMES = ("duration_ms", *(f"{phase}_ms" for phase in Phases._fields))
_NUMBERS_IN_TEXT = ("status=%d", *(f"{name}=%.1f" for name in _TIMES), "bytes=%d")
_NUMBERS_IN_JSON = ('"status": %d', *(f'"{name}": %.1f' for name in _TIMES), '"bytes": %d')


def success_line(outcome: Outcome) -> str:
    """Format a success as one line; users, scripts and dashboards rely on its format."""
    return f"{_head(outcome, 'success')} {' '.join(_numbers(outcome, _NUMBERS_IN_TEXT))}"


def success_json(outcome: Outcome) -> str:
    """Format a success as one JSON object, with the names, numbers and order of `success_line`."""
    return f"{_json_head(outcome, 'success')}, {', '.join(_numbers(outcome, _NUMBERS_IN_JSON))}}}"


def failure_line(outcome: Outcome, *, stored: bool) -> str:
    """Format a failure as one line.

    Args:
        outcome: of a failed check.
        stored: whether it is safe on disk; if not, the line has `stored=no`.
    """
    assert outcome.fault is not None
    detail = f"reason={outcome.fault.reason} detail={quoted(outcome.fault.detail)}"
    return f"{_head(outcome, 'failure')} {detail} check_id={outcome.check_id}{'' if stored else ' stored=no'}"


def failure_json(outcome: Outcome, *, stored: bool) -> str:
    """Format a failure as one JSON object, with the names and order of `failure_line`; see there."""
    assert outcome.fault is not None
    fault = f'"reason": "{outcome.fault.reason}", "detail": {json_string(outcome.fault.detail)}'
    end = "" if stored else ', "stored": false'
    return f'{_json_head(outcome, "failure")}, {fault}, "check_id": "{outcome.check_id}"{end}}}'


def change_line(outcome: Outcome, state: State) -> str:
    """Format a state change as one line, with the reason and detail of the check that confirmed it, if it has them.

    Args:
        outcome: of the check that confirmed it.
        state: the new state, which is the event name.
    """
    reason, detail = _reason(outcome), _detail(outcome)
    why = "" if reason is None else f" reason={reason}"
    details = "" if detail is None else f" detail={quoted(detail)}"
    return f"{_head(outcome, state)}{why}{details}"


def change_json(outcome: Outcome, state: State) -> str:
    """Format a state change as one JSON object, with the names and order of `change_line`; see there."""
    reason, detail = _reason(outcome), _detail(outcome)
    why = "" if reason is None else f', "reason": "{reason}"'
    details = "" if detail is None else f', "detail": {json_string(detail)}'
    return f"{_json_head(outcome, state)}{why}{details}}}"


class Lines:
    """Formats the lines of checks, in a format that may change while the daemon runs.

    Attributes:
        success: `success_line` or `success_json`.
        failure: `failure_line` or `failure_json`.
        change: `change_line` or `change_json`.
    """

    def __init__(self, log_format: str = "text") -> None:
        """Start with a format."""
        self.use(log_format)

    def use(self, log_format: str) -> None:
        """Write lines in this format from now on.

        Args:
            log_format: `text` or `json`.
        """
        is_json = log_format == "json"
        self.success = success_json if is_json else success_line
        self.failure = failure_json if is_json else failure_line
        self.change = change_json if is_json else change_line


def _reason(outcome: Outcome) -> str | None:
    return None if outcome.fault is None else str(outcome.fault.reason)


def _detail(outcome: Outcome) -> str | None:
    if outcome.fault is not None:
        return outcome.fault.detail
    return None if outcome.degraded is None else one_line(outcome.degraded)


def _numbers(outcome: Outcome, forms: Sequence[str]) -> list[str]:
    """Return the numbers that a success has, each with its name.

    Args:
        outcome: the success.
        forms: `_NUMBERS_IN_TEXT` or `_NUMBERS_IN_JSON`.
    """
    status_code, body_bytes = outcome.status_code, outcome.body_bytes
    status_form, *time_forms, bytes_form = forms
    times = (outcome.duration_seconds, *outcome.phases)
    numbers = [] if status_code is None else [status_form % status_code]
    numbers += [form % (seconds * 1000) for form, seconds in zip(time_forms, times, strict=True) if seconds is not None]
    return numbers if body_bytes is None else [*numbers, bytes_form % body_bytes]


def _head(outcome: Outcome, kind: str) -> str:
    name = quoted(one_line(outcome.target, limit_chars=MAX_VALUE_CHARS))
    return f"{timestamp(outcome.started_at)} {kind} target={name} url={value_text(outcome.address)}"


def _json_head(outcome: Outcome, kind: str) -> str:
    name, address = json_string(outcome.target), json_string(outcome.address)
    return f'{{"time": "{timestamp(outcome.started_at)}", "event": "{kind}", "target": {name}, "url": {address}'
