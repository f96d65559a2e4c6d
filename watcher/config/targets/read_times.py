"""Reads the intervals, timeouts, retries and thresholds of a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.config.mistakes import shown
from watcher.config.schema.limits import MAX_RETRIES, MAX_THRESHOLD, SHORTEST_INTERVAL_SECONDS
from watcher.model.state import Thresholds
from watcher.model.target import (
    DEFAULT_INTERVAL_SECONDS,
    DEFAULT_RETRY_INTERVAL_SECONDS,
    DEFAULT_THRESHOLDS,
    DEFAULT_TIMEOUT_SECONDS,
)

if TYPE_CHECKING:
    from watcher.config.env.settings import Settings
    from watcher.config.mistakes import Complain
    from watcher.config.schema.config_file import Options

THRESHOLD_KEYS = ("failure_threshold", "success_threshold")


@dataclass(frozen=True, slots=True)
class TargetTimes:
    """Attributes as in `Target`."""

    interval_seconds: float
    timeout_seconds: float
    retries: int
    retry_interval_seconds: float
    recheck_interval_seconds: float | None
    enabled: bool


def read_times(entry: Options, values: Options, complain: Complain, settings: Settings) -> TargetTimes:
    """Read the intervals, timeouts and retries.

    Args:
        entry: the entry itself.
        values: the entry merged with the defaults.
        complain: records a mistake.
        settings: have the bounds of an interval.
    """
    interval_seconds = _interval_seconds(values, complain, settings)
    retries = values.get("retries") or 0
    if not 0 <= retries <= MAX_RETRIES:
        complain(
            ("retries",), f"{shown(retries)} is not from 0 to {MAX_RETRIES}; write how many more attempts there are"
        )
    retry_interval = values.get("retry_interval")
    if retry_interval is not None and not 0 <= retry_interval < float("inf"):
        complain(("retry_interval",), f"{retry_interval:g} is not a finite number from zero; write seconds, as in 1")
    return TargetTimes(
        interval_seconds=interval_seconds,
        timeout_seconds=_timeout_seconds(entry, values, complain, interval_seconds),
        retries=retries,
        retry_interval_seconds=DEFAULT_RETRY_INTERVAL_SECONDS if retry_interval is None else retry_interval,
        recheck_interval_seconds=_recheck_seconds(entry, values, complain, interval_seconds),
        enabled=values.get("enabled") is not False,
    )


def read_thresholds(values: Options, complain: Complain) -> Thresholds:
    """Read how many checks in a row change the state.

    Args:
        values: an entry merged with the defaults.
        complain: records a mistake.
    """
    failure, success = values.get("failure_threshold"), values.get("success_threshold")
    for key, count, kind in (("failure_threshold", failure, "failing"), ("success_threshold", success, "good")):
        if count is not None and not 1 <= count <= MAX_THRESHOLD:
            text = f"{shown(count)} is not from 1 to {MAX_THRESHOLD}; write how many {kind} checks in a row it takes"
            complain((key,), text)
    return Thresholds(
        failure=DEFAULT_THRESHOLDS.failure if failure is None else failure,
        success=DEFAULT_THRESHOLDS.success if success is None else success,
    )


def _interval_seconds(values: Options, complain: Complain, settings: Settings) -> float:
    low, high = settings.min_interval_seconds, settings.max_interval_seconds
    interval = values.get("interval")
    if interval is None:
        return min(max(DEFAULT_INTERVAL_SECONDS, low), high)
    if not 0 < interval < float("inf"):
        complain(("interval",), f"{interval:g} is not a finite number above zero; write seconds, as in 10")
    elif interval < low:
        text = f"{interval:g} is below MIN_INTERVAL_VAL={low:g}; lower that in .env, or raise this"
        complain(("interval",), text)
    elif interval > high:
        text = f"{interval:g} is above MAX_INTERVAL_VAL={high:g}; raise that in .env, or lower this"
        complain(("interval",), text)
    return interval


def _timeout_seconds(entry: Options, values: Options, complain: Complain, interval_seconds: float) -> float:
    timeout = values.get("timeout")
    if timeout is None:
        return min(DEFAULT_TIMEOUT_SECONDS, interval_seconds)
    if not 0 < timeout < float("inf"):
        complain(("timeout",), f"{timeout:g} is not a finite number above zero; write seconds, as in 5")
    elif timeout > interval_seconds:
        if "timeout" not in entry:
            return interval_seconds  # a default is for many targets, so it adapts
        text = f"{timeout:g} is above the interval of {interval_seconds:g}; lower it, or raise the interval"
        complain(("timeout",), text)
    return timeout


def _recheck_seconds(entry: Options, values: Options, complain: Complain, interval_seconds: float) -> float | None:
    recheck = values.get("recheck_interval")
    if recheck is None:
        return None
    if not 0 < recheck < float("inf"):
        complain(("recheck_interval",), f"{recheck:g} is not a finite number above zero; write seconds, as in 5")
    elif recheck < SHORTEST_INTERVAL_SECONDS:
        text = f"{recheck:g} is below {SHORTEST_INTERVAL_SECONDS:g}, the shortest interval; write more seconds"
        complain(("recheck_interval",), text)
    elif recheck > interval_seconds:
        if "recheck_interval" not in entry:
            return None  # a default is for many targets, so it adapts
        text = f"{recheck:g} is above the interval of {interval_seconds:g}; lower it, or raise the interval"
        complain(("recheck_interval",), text)
    return recheck
