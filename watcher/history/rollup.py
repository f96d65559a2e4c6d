"""Rolls up many checks of a target: the number with each result, and their durations."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.history.histogram import BUCKETS, bucket_of, percentiles
from watcher.model.outcome import Phases, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from watcher.model.outcome import Outcome

UP = "up"
DEGRADED = "degraded"
# These checks are counted, but not timed: their durations tell of the monitor, not of the site.
FAULTS_OF_THE_MONITOR = frozenset({str(Reason.LOCAL), str(Reason.INTERNAL)})
# The timed phases, in the order of the arrays of a rollup.
SERIES = ("check", *Phases._fields)

PhaseTimes = tuple[float | None, ...]


class Measurement(NamedTuple):
    """The data of one check in a minute; as JSON it is a list, which `roll_up` accepts as well.

    Attributes:
        target, location: of the check.
        result: "up", "degraded", or the reason of the failure.
        microseconds: one for each of SERIES; None if the phase did not happen.
    """

    target: str
    location: str
    result: str
    microseconds: Sequence[int | None]


def measurement_of(outcome: Outcome) -> Measurement:
    """Return the data of a check for its minute."""
    seconds = (outcome.duration_seconds, *outcome.phases)
    return Measurement(
        outcome.target,
        outcome.location,
        result_of(outcome),
        tuple([None if value is None else round(value * 1_000_000) for value in seconds]),
    )


def result_of(outcome: Outcome) -> str:
    """Return the result of a check in one word: "up", "degraded", or the reason."""
    if outcome.fault is not None:
        return str(outcome.fault.reason)
    return UP if outcome.degraded is None else DEGRADED


@dataclass(frozen=True, slots=True)
class Rollup:
    """The results and durations of some checks.

    Attributes:
        results: the number of checks by result.
        sums_ms, mins_ms, maxs_ms: one for each of SERIES; None if it never happened.
        histogram: the number of durations in each bucket; its key is 256 * the place in SERIES + the bucket.
    """

    results: Mapping[str, int]
    sums_ms: PhaseTimes
    mins_ms: PhaseTimes
    maxs_ms: PhaseTimes
    histogram: Mapping[int, int]

    @property
    def checks(self) -> int:
        """The number of checks, with any result."""
        return sum(self.results.values())

    def timed(self, series: int = 0) -> int:
        """Return the number of durations in a series."""
        return sum(self._buckets(series).values())

    def mean_ms(self, series: int = 0) -> float | None:
        """Return the mean duration in milliseconds; None without durations."""
        total, count = self.sums_ms[series], self.timed(series)
        return None if total is None or not count else total / count

    def percentiles_ms(self, quantiles: Sequence[float], series: int = 0) -> list[float | None]:
        """Estimate percentiles; see `histogram.percentiles`.

        Args:
            quantiles: 0 to 1.
            series: the place in SERIES.

        Returns:
            milliseconds, one for each quantile; None without durations.
        """
        low, high, counts = self.mins_ms[series], self.maxs_ms[series], self._buckets(series)
        if low is None or high is None or not counts:
            return [None] * len(quantiles)
        # Clamped to the ends in milliseconds, so that the ends are returned exactly.
        estimates = percentiles(counts, quantiles, low * 1000, high * 1000)
        return [min(max(microseconds / 1000, low), high) for microseconds in estimates]

    def merge(self, other: Rollup) -> Rollup:
        """Add the checks of another rollup to those of this one."""
        return Rollup(
            results=dict(Counter(self.results) + Counter(other.results)),
            sums_ms=_merged(self.sums_ms, other.sums_ms, lambda a, b: a + b),
            mins_ms=_merged(self.mins_ms, other.mins_ms, min),
            maxs_ms=_merged(self.maxs_ms, other.maxs_ms, max),
            histogram=dict(Counter(self.histogram) + Counter(other.histogram)),
        )

    def whole(self) -> Rollup:
        """Return its data of whole checks, without their phases."""
        return Rollup(self.results, self.sums_ms[:1], self.mins_ms[:1], self.maxs_ms[:1], self._buckets(0))

    def _buckets(self, series: int) -> Mapping[int, int]:
        first = BUCKETS * series
        if len(self.sums_ms) == 1:
            return self.histogram
        return {key - first: count for key, count in self.histogram.items() if first <= key < first + BUCKETS}


TargetPlace = tuple[str, str]


def roll_up(measurements: Iterable[Sequence[Any]]) -> dict[TargetPlace, Rollup]:
    """Add measurements up.

    Args:
        measurements: of one minute, or their JSON form.

    Returns:
        the rollup of each (target, location).
    """
    return dict(each_rolled_up(measurements))


def each_rolled_up(measurements: Iterable[Sequence[Any]]) -> Iterator[tuple[TargetPlace, Rollup]]:
    """Add measurements up like `roll_up`, one rollup at a time: together they take several times its memory.

    Args:
        measurements: of one minute, or their JSON form.

    Yields:
        (target, location) and its rollup.
    """
    groups = defaultdict[TargetPlace, list[tuple[str, "Sequence[int | None]"]]](list)
    for target, location, result, microseconds in measurements:
        groups[target, location].append((result, microseconds))
    for key in list(groups):
        yield key, _rolled_up(groups.pop(key))


def rollup_rows(rollups: Mapping[TargetPlace, Rollup], began_at: datetime, part: int) -> list[dict[str, Any]]:
    """Return the rollups of a minute as rows of JSON values.

    Args:
        rollups: by (target, location).
        began_at: the start of the minute, with a time zone.
        part: distinguishes the rows of two outboxes for the same minute; within 63 bits.
    """
    return [
        {
            "target": target,
            "location": location,
            "began_at": began_at.isoformat(),
            "part": part,
            "results": rollup.results,
            "sums_ms": rollup.sums_ms,
            "mins_ms": rollup.mins_ms,
            "maxs_ms": rollup.maxs_ms,
            "keys": list(rollup.histogram),
            "counts": list(rollup.histogram.values()),
        }
        for (target, location), rollup in rollups.items()
    ]


def _rolled_up(checks: list[tuple[str, Sequence[int | None]]]) -> Rollup:
    results: dict[str, int] = {}
    histogram: dict[int, int] = {}
    times: list[tuple[float | None, float | None, float | None]] = []
    for result, _ in checks:
        results[result] = results.get(result, 0) + 1
    timed = [microseconds for result, microseconds in checks if result not in FAULTS_OF_THE_MONITOR]
    columns = zip(*timed, strict=True) if timed else [()] * len(SERIES)
    for series, column in enumerate(columns):
        values = [value for value in column if value is not None]
        times.append((sum(values) / 1000, min(values) / 1000, max(values) / 1000) if values else (None, None, None))
        for bucket, count in Counter(map(bucket_of, values)).items():
            histogram[BUCKETS * series + bucket] = count
    sums_ms, mins_ms, maxs_ms = zip(*times, strict=True)
    return Rollup(results, sums_ms, mins_ms, maxs_ms, histogram)


def _merged(some: PhaseTimes, others: PhaseTimes, join: Callable[[float, float], float]) -> PhaseTimes:
    pairs = zip(some, others, strict=True)
    return tuple(b if a is None else a if b is None else join(a, b) for a, b in pairs)
