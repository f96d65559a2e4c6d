"""Writes the metrics of the daemon itself."""

from __future__ import annotations

import gc
import resource
import time
from typing import TYPE_CHECKING

import psutil

from watcher import __version__
from watcher.web.metrics.exposition import Family, escaped, histogram_samples, sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.web.present import Present

LATENESS = Family("watcher_check_lateness_seconds", "histogram", "Delay between the slot and the start of a check.")
DURATION = Family("watcher_check_duration_seconds", "histogram", "Duration of a check, from its start to its verdict.")
SKIPPED = Family("watcher_checks_skipped_total", "counter", "Slots that were missed and are not caught up.")
LOST = Family(
    "watcher_entries_lost_total",
    "counter",
    "Entries dropped, as too many or too old, before they reached PostgreSQL.",
)
NOTIFICATIONS = Family(
    "watcher_notifications_total", "counter", "Delivery attempts of notifications, by channel and result."
)
GARBAGE = Family("python_gc_collections_total", "counter", "Collections of a generation by the garbage collector.")
CPU = Family("process_cpu_seconds_total", "counter", "User and system CPU time of the daemon.")

_PROCESS = psutil.Process()  # creating it takes longer than querying it
# Approximate; /proc/stat, which has the exact value, is hidden by the systemd unit.
_STARTED_AT = time.time()


def daemon_text(present: Present, targets: int, *, sees_all: bool, is_open_metrics: bool) -> str:
    """Write all families of the daemon itself.

    Args:
        present: the present state of the daemon.
        targets: the number of targets that the reader may see.
        sees_all: whether the reader may see the names of channels.
        is_open_metrics: whether to write OpenMetrics.
    """
    pieces = [
        family.head(is_open_metrics=is_open_metrics) + text for family, text in _families(present, targets, sees_all)
    ]
    return "".join(pieces)


def _families(present: Present, targets: int, sees_all: bool) -> Iterator[tuple[Family, str]]:
    yield LATENESS, "".join(histogram_samples(LATENESS.name, present.tally.lateness))
    yield DURATION, "".join(histogram_samples(DURATION.name, present.tally.duration))
    yield SKIPPED, sample(SKIPPED.name, "", present.tally.skipped_slots)
    yield LOST, sample(LOST.name, "", present.entries_lost())
    if sees_all:
        results = sorted(present.notifications()[1].items())
        labels = [(f'channel="{escaped(channel)}",result="{result}"', count) for (channel, result), count in results]
        yield NOTIFICATIONS, "".join(sample(NOTIFICATIONS.name, label, count) for label, count in labels)
    for name, meaning, value in (*_gauges(present, targets), *(_of_share(present) if sees_all else ())):
        yield Family(name, "gauge", meaning), sample(name, "", value)
    version = f'version="{__version__}",location="{escaped(present.location)}"'
    yield Family("watcher_build_info", "gauge", "Always 1."), sample("watcher_build_info", version, 1)
    collections = enumerate(generation["collections"] for generation in gc.get_stats())
    counts = [sample(GARBAGE.name, f'generation="{number}"', count) for number, count in collections]
    yield GARBAGE, "".join(counts)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield CPU, sample(CPU.name, "", usage.ru_utime + usage.ru_stime)


def _of_share(present: Present) -> Iterator[tuple[str, str, float]]:
    replicas, checked = present.share() or (1, len(present.targets))
    yield "watcher_replicas", "Replicas that share the targets of the location, this one included.", replicas
    yield "watcher_replica_targets", "Targets that this replica checks.", checked


def _gauges(present: Present, targets: int) -> Iterator[tuple[str, str, float]]:
    rows, size = present.outbox_size()
    workers = present.workers
    yield "watcher_targets", "Watched targets.", targets
    yield "watcher_checks_in_flight", "Running checks.", 0 if workers is None else workers.borrowed_tokens
    yield (
        "watcher_check_slots",
        "Maximum of simultaneous checks (MAX_WORKERS).",
        (0 if workers is None else workers.total_tokens),
    )
    yield "watcher_outbox_rows", "Entries on disk that wait for PostgreSQL.", rows
    yield "watcher_outbox_bytes", "Size of these entries.", size
    yield (
        "watcher_database_up",
        "Whether the last use of PostgreSQL succeeded.",
        int(present.is_database_up()),
    )
    yield "watcher_notifications_pending", "Notifications that wait to be sent.", present.notifications()[0]
    if (drained_until := present.drained_until()) is not None:
        meaning = "Age of the newest moment up to which all data has reached PostgreSQL."
        yield "watcher_drain_lag_seconds", meaning, max(0.0, present.clock() - drained_until)
    yield "process_resident_memory_bytes", "Memory of the daemon.", _PROCESS.memory_info().rss
    yield "process_start_time_seconds", "Start of the daemon, in seconds since 1970.", _STARTED_AT
