"""The series of each target: one look at the board, in portions, then one family after the other."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from watcher.model.outcome import Reason
from watcher.recording.board import Numbers
from watcher.web.metrics.exposition import Family, escaped, sample, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from watcher.web.present import Present

Item = TypeVar("Item")

# So many targets are looked at, and so many samples are written, before the checks get a turn: less than a millisecond.
TARGETS_A_TURN = 50
SAMPLES_A_TURN = 250

NO_VALUE = math.nan

# Each with the column of what was measured that it is read from, and how; blackbox_exporter's names and meanings.
GAUGES: tuple[tuple[Family, str, Callable[[Any], float]], ...] = (
    (
        Family("probe_success", "gauge", "Whether the last check succeeded."),
        "reason",
        lambda reason: int(reason is None),
    ),
    (Family("probe_duration_seconds", "gauge", "How long the last check took."), "duration", float),
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
        lambda reason: int(reason in {Reason.REGEX, Reason.HEADER}),
    ),
    (
        Family("probe_ssl_earliest_cert_expiry", "gauge", "When the first certificate ends, in seconds since 1970."),
        "cert_expires_at",
        lambda moment: NO_VALUE if moment is None else moment.timestamp(),
    ),
    (Family("probe_ip_protocol", "gauge", "4 or 6."), "ip_version", lambda version: version or NO_VALUE),
)
# What the public is not told: it sees that checks failed, and not why.
TELL_WHY = frozenset({"probe_http_status_code", "probe_failed_due_to_regex"})
ANY_REASON = "failed"

PHASE = Family("probe_http_duration_seconds", "gauge", "How long each phase took, summed over redirects.")
PHASES = ("resolve", "connect", "tls", "processing", "transfer")
STATE = Family("watcher_target_state", "gauge", "1 for the present state.")
CHECKS = Family("watcher_checks_total", "counter", "Checks since the start, by why they failed; `ok` is a success.")


def targets_text(present: Present, shown: Mapping[str, str], *, sees_all: bool, is_open_metrics: bool) -> Iterator[str]:
    """Write all families of the targets, piece by piece; between two, the checks should get a turn.

    Args:
        present: what there is to tell.
        shown: the names of the targets to write, each with how it is shown.
        sees_all: whether the reader may know why checks failed, and with which status.
        is_open_metrics: whether it is to be in that format.
    """
    checked, states = list[str](), list[str]()
    # Plain numbers in columns, not an object for each target: those the garbage collector would have to look through.
    columns: dict[str, list[Any]] = {name: [] for name in (*Numbers._fields, "reason", "cert_expires_at")}
    location = escaped(present.location)
    for portion in _portions(shown.items(), TARGETS_A_TURN):
        for name, written in portion:
            standing, target = present.board.standing_of(name), present.targets.get(name)
            if standing is None or target is None:
                continue
            label = f'target="{escaped(written)}"'
            group = f',group="{escaped(target.group)}"' if target.group else ""
            states.append(f'{label}{group},location="{location}",state="{standing.state}"')
            found = present.board.measured_of(name)
            if found is not None:
                checked.append(label)
                columns["reason"].append(found.reason)
                columns["cert_expires_at"].append(found.cert_expires_at)
                for column, number in zip(columns.values(), found.numbers, strict=False):
                    column.append(number)
        yield ""
    for family, column_name, read in GAUGES:
        if not sees_all and family.name in TELL_WHY:
            continue
        yield family.head(is_open_metrics=is_open_metrics)
        yield from _in_turns(family.name, checked, columns[column_name], read)
    yield PHASE.head(is_open_metrics=is_open_metrics)
    for phase in PHASES:
        yield from _in_turns(PHASE.name, checked, columns[phase], float, f',phase="{phase}"')
    yield STATE.head(is_open_metrics=is_open_metrics)
    for some in _portions(states, SAMPLES_A_TURN):
        yield samples(STATE.name, some, [1] * len(some))
    yield CHECKS.head(is_open_metrics=is_open_metrics)
    for portion in _portions(shown.items(), TARGETS_A_TURN):
        yield "".join(sample(CHECKS.name, labels, count) for labels, count in _checks_of(present, portion, sees_all))


def _in_turns(
    name: str, labels: Sequence[str], column: Sequence[Any], read: Callable[[Any], float], more: str = ""
) -> Iterator[str]:
    for start in range(0, len(labels), SAMPLES_A_TURN):
        end = start + SAMPLES_A_TURN
        yield samples(name, labels[start:end], list(map(read, column[start:end])), more)


def _checks_of(present: Present, portion: Iterable[tuple[str, str]], sees_all: bool) -> Iterator[tuple[str, int]]:
    for name, written in portion:
        label = f'target="{escaped(written)}"'
        if name in present.tally.successes_of:
            yield f'{label},reason="ok"', present.tally.successes_of[name]
        failures = present.tally.failures_of.get(name, {})
        if failures and not sees_all:
            yield f'{label},reason="{ANY_REASON}"', sum(failures.values())
            continue
        for reason, count in failures.items():
            yield f'{label},reason="{reason}"', count


def _portions(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(list(items))
    while portion := list(islice(rest, size)):
        yield portion
