"""Writes the metrics of each target: reads the board once, in portions, then writes family after family."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from watcher.model.outcome import Reason
from watcher.model.places import COMBINED
from watcher.recording.board import column
from watcher.web.metrics.exposition import Family, escaped, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from watcher.model.state import State
    from watcher.model.target import Target
    from watcher.recording.board import Board, Kept
    from watcher.web.present import Present

# After this many targets read, or samples written, the checks get a turn: less than a millisecond.
TARGETS_A_TURN = 50
SAMPLES_A_TURN = 250

NO_VALUE = math.nan
# For durations, which are stored with that precision; all digits of a float would take twice the time and the bytes.
SIX_DIGITS = ".6g"

_OF_A_PATTERN = frozenset({Reason.REGEX, Reason.HEADER})

# Each with its column and how to read it; blackbox_exporter's names and meanings.
GAUGES: tuple[tuple[Family, str, Callable[[Any], float]], ...] = (
    (
        Family("probe_success", "gauge", "Whether the last check succeeded."),
        "reason",
        lambda reason: int(reason is None),
    ),
    (
        Family("probe_http_status_code", "gauge", "Status of the last response, 0 without one."),
        "status_code",
        lambda status_code: max(status_code, 0),
    ),
    (
        Family("probe_http_redirects", "gauge", "Redirects that were followed."),
        "redirects",
        lambda redirects: NO_VALUE if redirects < 0 else redirects,
    ),
    (
        Family("probe_http_version", "gauge", "Version of HTTP of the last response."),
        "tenfold_http_version",
        lambda tenfold: tenfold / 10 or NO_VALUE,
    ),
    (
        Family("probe_failed_due_to_regex", "gauge", "Whether the last check failed by a pattern."),
        "reason",
        lambda reason: int(reason in _OF_A_PATTERN),
    ),
    (
        Family("probe_ssl_earliest_cert_expiry", "gauge", "When the first certificate ends, in seconds since 1970."),
        "cert_expires_at",
        lambda moment: NO_VALUE if moment is None else moment.timestamp(),
    ),
    (Family("probe_ip_protocol", "gauge", "4 or 6."), "ip_version", lambda version: version or NO_VALUE),
)
# Hidden from the public, which sees that checks failed, but not why.
TELL_WHY = frozenset({"probe_http_status_code", "probe_failed_due_to_regex"})
ANY_REASON = "failed"

DURATION = Family("probe_duration_seconds", "gauge", "Duration of the last check.")
PHASE = Family("probe_http_duration_seconds", "gauge", "Duration of each phase, summed over redirects.")
PHASES = ("resolve", "connect", "tls", "processing", "transfer")
STATE = Family("watcher_target_state", "gauge", "1 for the present state.")
CHECKS = Family("watcher_checks_total", "counter", "Checks since the start, by reason of failure; `ok` is a success.")


def targets_text(
    present: Present, targets: Sequence[Target], shown: Sequence[str], *, sees_all: bool, is_open_metrics: bool
) -> Iterator[str]:
    """Write all families of the targets, piece by piece; after each piece, the checks should get a turn.

    Args:
        present: the present state of the daemon.
        targets: the targets to write.
        shown: their shown names, escaped.
        sees_all: whether the reader may see the reasons and status codes of failures, and the labels of targets.
        is_open_metrics: whether to write OpenMetrics.
    """
    if sees_all:
        named, shown = shown, []
        for first in range(0, len(targets), TARGETS_A_TURN):
            some = slice(first, first + TARGETS_A_TURN)
            shown += [name + _own_labels(target) for target, name in zip(targets[some], named[some], strict=True)]
            yield ""
    checked, newest, states = yield from _noting(present.board, targets, shown)

    def columns(family: Family, name: str, read: Callable[[Any], float] | None, more: str = "") -> Iterator[str]:
        for first in range(0, len(checked), SAMPLES_A_TURN):
            some = slice(first, first + SAMPLES_A_TURN)
            values = column(name, newest[some])
            if read is None:
                yield samples(family.name, checked[some], values, more, SIX_DIGITS)
            else:
                yield samples(family.name, checked[some], map(read, values), more)

    for family, name, read in GAUGES:
        if sees_all or family.name not in TELL_WHY:
            yield family.head(is_open_metrics=is_open_metrics)
            yield from columns(family, name, read)
    yield DURATION.head(is_open_metrics=is_open_metrics)
    yield from columns(DURATION, "duration", None)
    yield PHASE.head(is_open_metrics=is_open_metrics)
    for phase in PHASES:
        yield from columns(PHASE, phase, None, f',phase="{phase}"')
    yield STATE.head(is_open_metrics=is_open_metrics)
    for first in range(0, len(targets), SAMPLES_A_TURN):
        some = slice(first, first + SAMPLES_A_TURN)
        yield _states_text(present.location, targets[some], shown[some], states[some])
    yield from _combined_texts(present, targets, shown)
    yield CHECKS.head(is_open_metrics=is_open_metrics)
    for first in range(0, len(targets), TARGETS_A_TURN):
        some = slice(first, first + TARGETS_A_TURN)
        yield "".join(_checks_texts(present, targets[some], shown[some], sees_all))


def _noting(
    board: Board, targets: Sequence[Target], shown: Sequence[str]
) -> Generator[str, None, tuple[list[str], list[Kept], list[State | None]]]:
    """Collect the names and newest checks of the checked targets, and the states of all.

    The lists refer to existing objects: new ones for each target would take more memory than the board.
    """
    checked: list[str] = []
    newest: list[Kept] = []
    states: list[State | None] = []
    for first in range(0, len(targets), TARGETS_A_TURN):
        names = [target.name for target in targets[first : first + TARGETS_A_TURN]]
        standings = board.standings_of(names)
        states += [None if standing is None else standing.state for standing in standings]
        for name, written in zip(names, shown[first : first + TARGETS_A_TURN], strict=True):
            kept = board.newest_of(name)
            if kept is not None:
                checked.append(written)
                newest.append(kept)
        yield ""
    return checked, newest, states


def _states_text(location: str, targets: Sequence[Target], shown: Sequence[str], states: Sequence[State | None]) -> str:
    end = f'location="{escaped(location)}",state="'
    return "".join(
        [
            f'{STATE.name}{{target="{written}",{_group_label(target)}{end}{state}"}} 1\n'
            for target, written, state in zip(targets, shown, states, strict=True)
            if state is not None
        ]
    )


def _combined_texts(present: Present, targets: Sequence[Target], shown: Sequence[str]) -> Iterator[str]:
    """Write the combined state of targets that several locations watch, if this replica decides it."""
    for first in range(0, len(targets), TARGETS_A_TURN):
        some = slice(first, first + TARGETS_A_TURN)
        told = [
            (target, written, view.state)
            for target, written in zip(targets[some], shown[some], strict=True)
            if target.locations
            and (view := present.place_views.combined_of(target.name)) is not None
            and present.decides(target.name)
        ]
        yield _states_text(COMBINED, *zip(*told, strict=True)) if told else ""


def _own_labels(target: Target) -> str:
    """Write the labels between the name of a target and its final quotation mark, which is the last label's then."""
    return "".join([f'",label_{name}="{escaped(value)}' for name, value in target.alerts.labels])


def _group_label(target: Target) -> str:
    return f'group="{escaped(target.group)}",' if target.group else ""


def _checks_texts(present: Present, targets: Sequence[Target], shown: Sequence[str], sees_all: bool) -> Iterator[str]:
    successes_of, failures_of = present.tally.successes_of, present.tally.failures_of
    for target, written in zip(targets, shown, strict=True):
        prefix = f'{CHECKS.name}{{target="{written}",reason="'
        if (successes := successes_of.get(target.name)) is not None:
            yield f'{prefix}ok"}} {successes}\n'
        failures = failures_of.get(target.name)
        if failures and not sees_all:
            yield f'{prefix}{ANY_REASON}"}} {sum(failures.values())}\n'
        elif failures:
            for reason, count in failures.items():
                yield f'{prefix}{reason}"}} {count}\n'
