"""The series of each target: one look at the board, in portions, then one family after the other."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

from watcher.model.outcome import Reason
from watcher.web.metrics.exposition import Family, escaped, sample, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from watcher.recording.board import Latest
    from watcher.web.present import Present

# So many targets are looked at, and so many samples are written, before the checks get a turn: less than a millisecond.
TARGETS_A_TURN = 50
SAMPLES_A_TURN = 250

PHASES = ("resolve", "connect", "tls", "processing", "transfer")
NO_VALUE = math.nan


def _or_none(value: float | None) -> float:
    return NO_VALUE if value is None else value


# Each with what is read from the newest check of a target; blackbox_exporter's names and meanings.
GAUGES: tuple[tuple[Family, Callable[[Latest], float]], ...] = (
    (Family("probe_success", "gauge", "Whether the last check succeeded."), lambda latest: int(latest.reason is None)),
    (
        Family("probe_duration_seconds", "gauge", "How long the last check took."),
        lambda latest: _or_none(latest.duration_seconds),
    ),
    (
        Family("probe_http_status_code", "gauge", "Status of the last response, 0 without one."),
        lambda latest: latest.status_code or 0,
    ),
    (
        Family("probe_http_redirects", "gauge", "Redirects that were followed."),
        lambda latest: _or_none(latest.redirects),
    ),
    (
        Family("probe_http_version", "gauge", "Version of HTTP of the last response."),
        lambda latest: _or_none(latest.http_version),
    ),
    (
        Family("probe_failed_due_to_regex", "gauge", "Whether the last check failed by a pattern."),
        lambda latest: int(latest.reason in {Reason.REGEX, Reason.HEADER}),
    ),
    (
        Family("probe_ssl_earliest_cert_expiry", "gauge", "When the first certificate ends, in seconds since 1970."),
        lambda latest: NO_VALUE if latest.cert_expires_at is None else latest.cert_expires_at.timestamp(),
    ),
    (Family("probe_ip_protocol", "gauge", "4 or 6."), lambda latest: _or_none(latest.ip_version)),
)
PHASE = Family("probe_http_duration_seconds", "gauge", "How long each phase took, summed over redirects.")
STATE = Family("watcher_target_state", "gauge", "1 for the present state.")
CHECKS = Family("watcher_checks_total", "counter", "Checks since the start, by why they failed; `ok` is a success.")


def targets_text(present: Present, shown: Mapping[str, str], *, is_open_metrics: bool) -> Iterator[str]:
    """Write all families of the targets, piece by piece; between two, the checks should get a turn.

    Args:
        present: what there is to tell.
        shown: the names of the targets to write, each with how it is shown.
        is_open_metrics: whether it is to be in that format.
    """
    checked, states = list[str](), list[str]()
    columns: list[list[float]] = [[] for _ in GAUGES]
    phases: list[list[float]] = [[] for _ in PHASES]
    location = escaped(present.location)
    for portion in _portions(shown.items(), TARGETS_A_TURN):
        for name, written in portion:
            latest, target = present.board.of(name), present.targets.get(name)
            if latest is None or target is None:
                continue
            label = f'target="{escaped(written)}"'
            group = f',group="{escaped(target.group)}"' if target.group else ""
            states.append(f'{label}{group},location="{location}",state="{latest.standing.state}"')
            if latest.started_at is not None:
                checked.append(label)
                for (_, read), column in zip(GAUGES, columns, strict=True):
                    column.append(read(latest))
                for phase, column in zip(PHASES, phases, strict=True):
                    column.append(_or_none(getattr(latest.phases, phase)))
        yield ""
    for (family, _), column in zip(GAUGES, columns, strict=True):
        yield from _written(family, checked, column, is_open_metrics=is_open_metrics)
    yield PHASE.head(is_open_metrics=is_open_metrics)
    for phase, column in zip(PHASES, phases, strict=True):
        yield from _in_turns(PHASE.name, checked, column, f',phase="{phase}"')
    yield from _written(STATE, states, [1] * len(states), is_open_metrics=is_open_metrics)
    yield CHECKS.head(is_open_metrics=is_open_metrics)
    for portion in _portions(shown.items(), TARGETS_A_TURN):
        yield "".join(sample(CHECKS.name, labels, count) for labels, count in _checks_of(present, portion))


def _written(family: Family, labels: Sequence[str], values: Sequence[float], *, is_open_metrics: bool) -> Iterator[str]:
    yield family.head(is_open_metrics=is_open_metrics)
    yield from _in_turns(family.name, labels, values)


def _in_turns(name: str, labels: Sequence[str], values: Sequence[float], more: str = "") -> Iterator[str]:
    for start in range(0, len(labels), SAMPLES_A_TURN):
        end = start + SAMPLES_A_TURN
        yield samples(name, labels[start:end], values[start:end], more)


def _checks_of(present: Present, portion: Iterable[tuple[str, str]]) -> Iterator[tuple[str, int]]:
    for name, written in portion:
        label = f'target="{escaped(written)}"'
        if name in present.tally.successes_of:
            yield f'{label},reason="ok"', present.tally.successes_of[name]
        for reason, count in present.tally.failures_of.get(name, {}).items():
            yield f'{label},reason="{reason}"', count


def _portions(items: Iterable[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    rest = iter(list(items))
    while portion := list(islice(rest, size)):
        yield portion
